"""What events look like on the wire."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

Result = TypeVar("Result")
DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"
KEEP_ALIVE_S = 15.0
"""Silence after which a comment is sent: proxies cut idle streams, and a hidden draft is silent for long."""
HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


def data(value: Mapping[str, Any]) -> bytes:
    """An unnamed event with JSON in it, as OpenAI streams."""
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def named(name: str, value: bytes) -> bytes:
    """A named event; `value` is JSON on one line."""
    return b"event: " + name.encode() + b"\ndata: " + value + b"\n\n"


class EventStream(StreamingResponse):
    """A streamed reply whose source is closed with it, so that a client who leaves stops the engine's work."""

    def __init__(
        self,
        source: AsyncGenerator[bytes, None],
        *,
        headers: Mapping[str, str] | None = None,
        keep_alive_s: float = KEEP_ALIVE_S,
    ) -> None:
        super().__init__(source, media_type="text/event-stream", headers={**HEADERS, **(headers or {})})
        self._source = source
        self._keep_alive_s = keep_alive_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the source until it ends or the client leaves, then close it, come what may.

        Starlette's own way cancels by an anyio scope, which would cancel every await of the engine's abort again.
        """
        line = _Line(send)
        alive = asyncio.ensure_future(line.keep_alive(self._keep_alive_s))
        try:
            async with aclosing(self._source):
                await unless_disconnected(Request(scope, receive), self.stream_response(line.send))
        finally:
            alive.cancel()
            await asyncio.gather(alive, return_exceptions=True)


class _Line:
    """What is sent, and the comments that fill its silences."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._open = False
        self._sent_at = time.monotonic()

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        # Said before it is sent: no comment may follow the last part.
        self._open = message["type"] == "http.response.start" or bool(message.get("more_body"))
        self._sent_at = time.monotonic()
        await self._send(message)

    async def keep_alive(self, every_s: float) -> None:
        """Send a comment whenever nothing was sent for `every_s`; runs until it is cancelled."""
        while True:
            await asyncio.sleep(max(0.0, self._sent_at + every_s - time.monotonic()))
            if time.monotonic() - self._sent_at < every_s:
                continue
            self._sent_at = time.monotonic()
            if self._open:
                await self._send({"type": "http.response.body", "body": KEEP_ALIVE, "more_body": True})


async def unless_disconnected(request: Request, work: Awaitable[Result]) -> Result | None:
    """Do `work`; when the client leaves first, cancel it and return None."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for pending in (task, gone):
            pending.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
