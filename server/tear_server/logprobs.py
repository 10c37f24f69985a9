"""Log-probabilities as vLLM tells them, one flat list for all positions, read by token."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def watched_of(logprobs: Any, ids: Sequence[int]) -> tuple[Mapping[int, float], ...]:
    """What was asked for at each position."""
    return tuple({token: found[token] for token in ids} for found in _by_token(logprobs))


def likeliest_of(logprobs: Any) -> tuple[Mapping[int, float], ...]:
    """The drawn token and the likeliest at each position, padding left out."""
    return tuple(
        {token: logprob for token, logprob in found.items() if logprob > -math.inf} for found in _by_token(logprobs)
    )


def _by_token(logprobs: Any) -> Iterator[Mapping[int, float]]:
    """The log-probabilities of each position by token.

    Never by place: where vLLM puts outputs together that nobody took in time, a drawn token that was asked for, too,
    stands there once and not twice.
    """
    for start, end in zip(logprobs.start_indices, logprobs.end_indices, strict=True):
        yield dict(zip(logprobs.token_ids[start:end], logprobs.logprobs[start:end], strict=True))
