"""A server's end: real signals and a real port, over an engine that does what it is told."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from scripted import ScriptedEngine
from stories import REVISED, asking, play, service_over, until

from tear_chain.errors import EngineDead
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Stage
from tear_server.api.app import Access
from tear_server.engine import Chunk, Generation
from tear_server.serve import attend
from tear_server.service import Service

CHAT = "/v1/chat/completions"
NEVER_S = 60
SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)


class Ending(ScriptedEngine):
    """Once it is ended, what it was writing fails, as with vLLM."""

    def __init__(self, engine: ScriptedEngine) -> None:
        super().__init__(engine.scripts, leads_to=engine.leads_to, hang_in=Stage.WITNESS)
        self.goes_on = asyncio.Event()
        self.has_ended = False

    async def generate(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
        self.asked.append(generation)
        first = next(stage for stage in Stage if stage.value in generation.id)
        scenes, finish = self.play(first, generation)
        tokens = tuple(token for _, part in scenes for token in part)
        yield Chunk(tokens[:1], self._none(1, generation), 0, None)
        await self.goes_on.wait()
        if self.has_ended:
            raise EngineDead("It was ended.")
        yield Chunk(tokens[1:], self._none(len(tokens) - 1, generation), 0, finish)

    def _none(self, count: int, generation: Generation) -> tuple[dict[int, float], ...]:
        return tuple(self._watched(generation) for _ in range(count)) if generation.watch else ()


@dataclass
class Attended:
    """A server in this event loop, asked by `http`; `running` is it."""

    engine: Ending
    http: httpx.AsyncClient
    running: asyncio.Task[None]

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        os.kill(os.getpid(), number)

    async def ask(self) -> list[str]:
        """Stream an answer; the data of its events."""
        async with self.http.stream("POST", CHAT, json=asking(stream=True)) as reply:
            return [line.removeprefix("data: ") async for line in reply.aiter_lines() if line]

    async def stopping(self) -> httpx.Response:
        """What `/ready` says once the server has heard the signal."""
        async with asyncio.timeout(5):
            while (ready := await self.http.get("/ready")).status_code == 200:
                pass
        return ready

    async def asked(self) -> asyncio.Task[list[str]]:
        """A request that is at work."""
        asking = asyncio.create_task(self.ask())
        await until(lambda: self.engine.asked)
        return asking


@asynccontextmanager
async def attended(tokenizer: ChainTokenizer, *, drain_s: float) -> AsyncIterator[Attended]:
    engine = Ending(play(tokenizer, REVISED))

    @asynccontextmanager
    async def opening() -> AsyncIterator[Service]:
        yield service_over(engine, tokenizer)
        engine.has_ended = True
        engine.goes_on.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        running = asyncio.create_task(attend(opening(), Access(), listener, drain_s=drain_s))
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            assert (await http.get("/ready")).status_code == 200
            yield Attended(engine, http, running)
            await asyncio.wait({running}, timeout=10)
            assert running.done()
            assert running.cancelled() or running.exception() is None


@SIGNALS
async def test_an_idle_server_that_is_asked_to_stop_stops(tokenizer: ChainTokenizer, number: signal.Signals) -> None:
    async with attended(tokenizer, drain_s=NEVER_S) as server:
        server.signal(number)


@SIGNALS
async def test_replies_at_work_end_well_while_new_work_is_refused(
    tokenizer: ChainTokenizer, number: signal.Signals
) -> None:
    async with attended(tokenizer, drain_s=NEVER_S) as server:
        asked = await server.asked()
        server.signal(number)
        ready = await server.stopping()
        refused = await server.http.post(CHAT, json=asking())
        alive = await server.http.get("/health")
        assert not asked.done()
        server.engine.goes_on.set()
        told = await asked
        assert (ready.json()["status"], alive.status_code) == ("stopping", 200)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "stopping")
        assert (refused.headers["retry-after"], refused.headers["x-should-retry"]) == ("1", "true")
        assert told[-1] == "[DONE]"
        assert not any('"error"' in line for line in told)


async def test_what_is_at_work_when_the_time_is_over_ends_by_name(tokenizer: ChainTokenizer) -> None:
    async with attended(tokenizer, drain_s=0.05) as server:
        asked = await server.asked()
        server.signal()
        told = await asked
    assert json.loads(told[-2])["error"]["code"] == "engine_dead"
    assert told[-1] == "[DONE]"


async def test_a_second_signal_waits_for_nobody(tokenizer: ChainTokenizer) -> None:
    async with attended(tokenizer, drain_s=NEVER_S) as server:
        asked = await server.asked()
        server.signal()
        await server.stopping()
        assert not server.engine.has_ended
        server.signal()
        told = await asked
    assert json.loads(told[-2])["error"]["code"] == "engine_dead"


@SIGNALS
async def test_a_signal_during_the_start_ends_it_quietly(tokenizer: ChainTokenizer, number: signal.Signals) -> None:
    begun, ended = asyncio.Event(), list[str]()

    @asynccontextmanager
    async def opening() -> AsyncIterator[Service]:
        begun.set()
        try:
            await asyncio.Event().wait()
            yield service_over(play(tokenizer, REVISED), tokenizer)
        finally:
            ended.append("engine")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = asyncio.create_task(attend(opening(), Access(), listener, drain_s=NEVER_S))
        await begun.wait()
        os.kill(os.getpid(), number)
        await asyncio.wait_for(running, 5)
    assert ended == ["engine"]


async def test_somebody_elses_cancelling_is_passed_on(tokenizer: ChainTokenizer) -> None:
    async with attended(tokenizer, drain_s=NEVER_S) as server:
        server.running.cancel()
    assert server.running.cancelled()
