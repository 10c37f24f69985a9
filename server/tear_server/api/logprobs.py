"""Log-probabilities of an answer's tokens, in the shapes of OpenAI's two APIs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tear_chain.events import Likely, ScoredToken

LEAST = -9999.0
"""OpenAI's for a token that is as good as impossible; JSON has no infinity."""


def chat_logprobs(tokens: Sequence[ScoredToken]) -> dict[str, Any]:
    """`choices[].logprobs`: one entry for each token of the content; their bytes, joined, are the content."""
    return {"content": response_logprobs(tokens), "refusal": None}


def response_logprobs(tokens: Sequence[ScoredToken]) -> list[dict[str, Any]]:
    """`logprobs` of an `output_text` part."""
    return [
        {
            "token": token.piece.decode(errors="replace"),
            "bytes": list(token.piece),
            "logprob": max(token.logprob, LEAST),
            "top_logprobs": [_likely(each) for each in token.likeliest],
        }
        for token in tokens
    ]


def event_logprobs(tokens: Sequence[ScoredToken]) -> list[dict[str, Any]]:
    """`logprobs` of the events of an `output_text` part, which have no bytes."""
    return [
        {
            **{name: value for name, value in entry.items() if name != "bytes"},
            "top_logprobs": [{"token": each["token"], "logprob": each["logprob"]} for each in entry["top_logprobs"]],
        }
        for entry in response_logprobs(tokens)
    ]


def _likely(token: Likely) -> dict[str, Any]:
    return {"token": token.text, "bytes": list(token.piece), "logprob": max(token.logprob, LEAST)}
