"""Questions that many laws are read from: each is asked once streamed and once whole, one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from conformance.wire import Stream

CHAT = "/v1/chat/completions"
QUESTION = "I can't play the piano."
ODD = "Für dich: 漢字かな 👩‍👩‍👧‍👦 é مرحبا שלום"
"""More than one byte a character, more than one character a sign, and both directions."""
MESSAGES: list[Any] = [{"role": "user", "content": QUESTION}]


@dataclass(frozen=True)
class Target:
    """A server to check."""

    url: str
    key: str | None
    model: str

    @property
    def direct(self) -> str:
        return f"{self.model}-direct"

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"} if self.key else {}


@dataclass(frozen=True)
class Recording:
    """One question's two replies."""

    body: Mapping[str, Any]
    whole: Any
    stream: Stream

    @property
    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = self.whole["choices"][0]["message"]
        return message

    @property
    def is_hidden(self) -> bool:
        return self.body.get("include_reasoning") is False

    @property
    def asks_usage(self) -> bool:
        return "stream_options" in self.body


USAGE = {"stream_options": {"include_usage": True}}
REFLECTED: Mapping[str, Mapping[str, Any]] = {
    "plain": {"seed": 1},
    "greedy": {"temperature": 0, **USAGE},
    "revised": {"seed": 2, "reflection": {"revise_threshold": 0}, **USAGE},
    "kept": {"seed": 3, "reflection": {"draft": ODD, "revise_threshold": 1}, **USAGE},
    "supplied": {"seed": 4, "reflection": {"draft": ODD, "revise_threshold": 0}, **USAGE},
    "hidden": {"seed": 5, "include_reasoning": False, **USAGE},
    "limited": {"seed": 6, "max_completion_tokens": 160, **USAGE},
}
DIRECT: Mapping[str, Mapping[str, Any]] = {
    "direct": {"seed": 7, **USAGE},
    "direct-plain": {"seed": 8},
    "no-effort": {"seed": 9, "reasoning_effort": "none", **USAGE},
    "mode-off": {"seed": 10, "reflection": {"mode": "off"}, **USAGE},
    "cut": {"seed": 11, "max_tokens": 4, **USAGE},
    "stopped": {"seed": 12, "stop": [".", "?", "!"], **USAGE},
}
SINGLE: Mapping[str, Mapping[str, Any]] = {**REFLECTED, **DIRECT}
"""One choice each."""
EVERY: Mapping[str, Mapping[str, Any]] = {**SINGLE, "several": {"seed": 13, "n": 3, "max_tokens": 24, **USAGE}}


def said(name: str, target: Target) -> dict[str, Any]:
    """The request of that name."""
    direct = name in ("direct", "direct-plain", "cut", "stopped", "several")
    return {"model": target.direct if direct else target.model, "messages": MESSAGES, **EVERY[name]}


def record(http: httpx.Client, body: Mapping[str, Any]) -> Recording:
    """Ask streamed, then whole."""
    if "draft" in body.get("reflection", {}):
        # Whether an engine has met a long prompt before changes the last digits of its sums.
        http.post(CHAT, json={**body, "max_tokens": 64}).raise_for_status()
    streamed = stream(http, CHAT, {**body, "stream": True})
    return Recording(body, ask(http, body), streamed)


def stream(http: httpx.Client, path: str, body: Mapping[str, Any]) -> Stream:
    """Post and keep every byte."""
    with http.stream("POST", path, json=body) as reply:
        parts = tuple(reply.iter_raw())
    assert reply.status_code == 200, b"".join(parts)
    return Stream(reply.status_code, dict(reply.headers), parts)


def ask(http: httpx.Client, body: Mapping[str, Any]) -> Any:
    """A whole reply."""
    reply = http.post(CHAT, json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()
