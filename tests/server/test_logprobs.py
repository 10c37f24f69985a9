"""What is read of vLLM's outputs; that it generates is held by `tests/live`."""

from __future__ import annotations

import math

import pytest
from vllm.logprobs import FlatLogprobs

from tear_server.logprobs import likeliest_of, watched_of

IDS = (7, 8, 9)


def output(*rows: tuple[list[int], list[float]]) -> FlatLogprobs:
    """Positions as vLLM's output processor writes them: the drawn token first, then those asked for."""
    found = FlatLogprobs()
    for tokens, values in rows:
        found.append_fast(tokens, values, iter(range(1, 99)), iter([None] * len(tokens)))
    return found


FIRST = ([8, 7, 8, 9], [-0.2, -3.0, -0.2, -4.0])
SECOND = ([5, 7, 8, 9], [-1.0, -2.0, -5.0, -6.0])


@pytest.mark.parametrize("merged", [False, True], ids=["taken-in-time", "put-together"])
def test_watched_tokens_are_read_however_many_outputs_came_at_once(merged: bool) -> None:
    if merged:
        logprobs = output(FIRST)
        logprobs.extend(output(SECOND))
    else:
        logprobs = output(FIRST, SECOND)
    assert watched_of(logprobs, [8, 5], IDS) == ({7: -3.0, 8: -0.2, 9: -4.0}, {7: -2.0, 8: -5.0, 9: -6.0})


def test_what_was_put_together_with_an_output_from_before_the_watching_is_told_right() -> None:
    """As vLLM does it when nobody took a session's outputs in time: the first holds the processor's own list."""
    own = output()
    for tokens, values in (FIRST, SECOND):
        own.append_fast(tokens, values, iter(range(1, 99)), iter([None] * len(tokens)))
        own.extend(own[-1:])
    assert watched_of(own, [8, 5], IDS) == ({7: -3.0, 8: -0.2, 9: -4.0}, {7: -2.0, 8: -5.0, 9: -6.0})


def test_padding_is_not_among_the_likeliest() -> None:
    rows = output(([8, 8, 3], [-0.2, -0.2, -1.5]), ([5, 0, 0], [-1.0, -math.inf, -math.inf]))
    assert likeliest_of(rows) == ({8: -0.2, 3: -1.5}, {5: -1.0})
