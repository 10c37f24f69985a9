"""People who ask a server, many at once, and see what comes of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

TIMEOUT_S = 120


@dataclass
class Reply:
    """What came of one request."""

    status: int = 0
    """0: nobody answered."""
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    events: list[Any] = field(default_factory=list)
    """The data of a stream's events; `[DONE]` as that string. One, the body, where it was not streamed."""
    seconds: float = 0.0
    was_cut: bool = False
    """Whether the connection was closed before the end."""

    @property
    def error(self) -> str | None:
        """The code of the error that it ended with."""
        named = [event["error"]["code"] for event in self.events if isinstance(event, dict) and "error" in event]
        return named[0] if named else None

    @property
    def is_done(self) -> bool:
        """Whether it was streamed to its very end."""
        return not self.was_cut and self.events[-1:] == ["[DONE]"]

    @property
    def reflection(self) -> Any:
        """The reflection of a chat stream."""
        deltas = [
            event["choices"][0]["delta"] for event in self.events if isinstance(event, dict) and event.get("choices")
        ]
        return next(delta["reflection"] for delta in deltas if "reflection" in delta)


def asking(text: str = "We buried my uncle on Friday. I can't go into his shed.", **fields: Any) -> dict[str, Any]:
    """A request: one person, one sentence, and `fields`."""
    return {"messages": [{"role": "user", "content": text}], **fields}


@asynccontextmanager
async def callers(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client for any number of requests at once."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, limits=limits) as http:
        yield http


async def chat(http: httpx.AsyncClient, reply: Reply, **fields: Any) -> Reply:
    """Stream a chat completion into `reply`, which can be looked at meanwhile."""
    began = time.monotonic()
    try:
        async with http.stream("POST", "/v1/chat/completions", json=asking(stream=True, **fields)) as response:
            reply.status, reply.headers = response.status_code, response.headers
            async for line in response.aiter_lines():
                if line.startswith("{"):
                    reply.events.append(json.loads(line))
                elif line.startswith("data: "):
                    data = line.removeprefix("data: ")
                    reply.events.append(data if data == "[DONE]" else json.loads(data))
    except httpx.TransportError:
        reply.was_cut = True
    reply.seconds = time.monotonic() - began
    return reply


async def until_status(http: httpx.AsyncClient, path: str, status: int, *, limit_s: float) -> httpx.Response:
    """The reply once a GET is answered with that status; fails when that takes longer than `limit_s`."""
    async with asyncio.timeout(limit_s):
        while (response := await http.get(path)).status_code != status:
            pass
    return response


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
