"""The one HTTP client that asks all contestants."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import aiohttp

from serving.replies import Counters, Streamed, StreamReader, Usage, read_counters, read_usage

PATH = "/v1/chat/completions"
TIMEOUT_S = 120
Body = Mapping[str, Any]
"""What is asked, as JSON."""
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Whole:
    """A reply that came in one piece."""

    seconds: float
    usage: Usage


class Client:
    """Keeps its connections alive and opens as many as are needed."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def stream(self, server: str, body: Body) -> Streamed:
        """Ask for a stream and read it to its end; raises `RuntimeError` for anything but a whole 200."""
        reader = StreamReader()
        sent = time.perf_counter()
        asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
        async with self._session.post(server + PATH, json=asked) as reply:
            await _check(reply)
            async for line in reply.content:
                if line.startswith(b"data: "):
                    reader.feed(line[6:].decode().strip(), time.perf_counter() - sent)
        return reader.streamed()

    async def stream_all(self, server: str, bodies: Sequence[Body], *, concurrent: int) -> list[Streamed]:
        """A stream for each body, `concurrent` of them at a time."""
        return await at_once([partial(self.stream, server, body) for body in bodies], concurrent)

    async def ask(self, server: str, body: Body) -> Whole:
        """Ask for a reply in one piece."""
        sent = time.perf_counter()
        async with self._session.post(server + PATH, json=body) as reply:
            await _check(reply)
            whole = await reply.json()
        return Whole(time.perf_counter() - sent, read_usage(whole["usage"]))

    async def page(self, server: str) -> str:
        """The server's page of metrics."""
        async with self._session.get(server + "/metrics") as reply:
            await _check(reply)
            return await reply.text()

    async def counters(self, server: str) -> Counters:
        """What its engine has counted."""
        return read_counters(await self.page(server))


@asynccontextmanager
async def open_client() -> AsyncIterator[Client]:
    """A client; leaving the context closes its connections."""
    # Shorter than any contestant's: no request must meet a connection that is being closed.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session:
        yield Client(session)


async def at_once(jobs: Iterable[Callable[[], Awaitable[Answer]]], concurrent: int) -> list[Answer]:
    """All jobs, `concurrent` of them at a time; the answers in the order of the jobs."""
    room = asyncio.Semaphore(concurrent)

    async def one(job: Callable[[], Awaitable[Answer]]) -> Answer:
        async with room:
            return await job()

    return list(await asyncio.gather(*map(one, jobs)))


async def _check(reply: aiohttp.ClientResponse) -> None:
    if reply.status != 200:
        raise RuntimeError(f"{reply.url} answered {reply.status}: {(await reply.text())[:500]}")
