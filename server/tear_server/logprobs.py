"""Log-probabilities as vLLM tells them, one flat list for all positions, read by token."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def watched_of(logprobs: Any, drawn: Sequence[int], ids: Sequence[int]) -> tuple[Mapping[int, float], ...]:
    """What was asked for where each token of `drawn` was drawn.

    Found by the token, never by counting: a session's output from before anything is watched holds vLLM's own list, so
    that outputs put together with it stand in it twice (vLLM 0.32).
    """
    found = _by_token(logprobs)
    return tuple(next({each: at[each] for each in ids} for at in found if next(iter(at)) == token) for token in drawn)


def likeliest_of(logprobs: Any) -> tuple[Mapping[int, float], ...]:
    """The drawn token and the likeliest at each position, padding left out."""
    return tuple(
        {token: logprob for token, logprob in found.items() if logprob > -math.inf} for found in _by_token(logprobs)
    )


def _by_token(logprobs: Any) -> Iterator[Mapping[int, float]]:
    """The log-probabilities of each position by token, the drawn one first.

    Never by place: where vLLM puts outputs together that nobody took in time, a drawn token that was asked for, too,
    stands there once and not twice.
    """
    for start, end in zip(logprobs.start_indices, logprobs.end_indices, strict=True):
        yield dict(zip(logprobs.token_ids[start:end], logprobs.logprobs[start:end], strict=True))
