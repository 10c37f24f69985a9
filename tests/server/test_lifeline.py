from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from stories import until

from tear_chain.errors import AdapterError, EngineAway, EngineDead, EngineError
from tear_server.engine import AdapterFiles, Chunk, Engine, Generation, Sampling
from tear_server.lifeline import LONGEST_WAIT_S, WINDOW_S, Lifeline, lasting_engine
from tear_server.metrics import Metrics

ADAPTER = AdapterFiles("witness-1", Path("one"), 8)
OTHER = AdapterFiles("witness-2", Path("two"), 8)
GENERATION = Generation("g", (1,), 8, frozenset(), Sampling())


class Mortal:
    """An engine that writes one token, and the next ones when it is told to."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.loaded: list[str] = []
        self.goes_on = asyncio.Event()
        self.is_dead = False
        self.has_ended = False

    def die(self) -> None:
        self.is_dead = True
        self.goes_on.set()

    async def generate(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
        while True:
            await self.health()
            yield Chunk((self.number,), (), 0, None)
            await self.goes_on.wait()

    async def health(self) -> None:
        if self.is_dead:
            raise EngineDead("It died.")

    async def load(self, files: AdapterFiles) -> None:
        await self.health()
        self.loaded.append(files.name)

    async def unload(self, name: str) -> None:
        self.loaded.remove(name)


class Fate:
    """Starts engines, and says how the starts, the proofs and the pauses go."""

    def __init__(self) -> None:
        self.engines: list[Mortal] = []
        self.failures: list[Exception] = []
        """Of the next starts, in turn."""
        self.may_start = asyncio.Event()
        self.may_start.set()
        self.proven: list[tuple[int, str]] = []
        self.unproven: Exception | None = None
        self.pauses: list[float] = []
        self.now = 0.0
        self.metrics = Metrics()

    @asynccontextmanager
    async def start(self) -> AsyncIterator[Mortal]:
        await self.may_start.wait()
        self.now += 20
        if self.failures:
            raise self.failures.pop(0)
        engine = Mortal(len(self.engines))
        self.engines.append(engine)
        try:
            yield engine
        finally:
            engine.has_ended = True

    async def prove(self, engine: Engine, files: AdapterFiles) -> None:
        if self.unproven is not None:
            raise self.unproven
        assert isinstance(engine, Mortal)
        self.proven.append((engine.number, files.name))

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def hold(self, **options: Any) -> AbstractAsyncContextManager[Lifeline]:
        given = {"restarts": 3, "watch_s": 60, **options}
        return lasting_engine(
            self.start,
            [ADAPTER],
            prove=self.prove,
            metrics=self.metrics,
            clock=lambda: self.now,
            sleep=self.pause,
            **given,
        )

    def value(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(name)

    def is_up(self, count: int) -> Callable[[], bool]:
        """Whether the engine of that count, from 1, is the one that answers."""
        return lambda: len(self.engines) == count and self.value("tear_engine_up") == 1


@pytest.fixture
async def fate() -> Fate:
    return Fate()


async def first(line: Lifeline) -> int:
    async with aclosing(line.generate(GENERATION)) as chunks:
        async for chunk in chunks:
            return chunk.tokens[0]
    raise AssertionError("nothing came")


# Alive


async def test_before_it_is_handed_out_its_adapters_are_loaded_and_proven(fate: Fate) -> None:
    async with fate.hold() as line:
        assert fate.engines[0].loaded == [ADAPTER.name]
        assert fate.proven == [(0, ADAPTER.name)]
        assert await first(line) == 0
        assert line.ailing() is None
        await line.health()
        assert (fate.value("tear_engine_up"), fate.value("tear_engine_restarts_total")) == (1, 0)


async def test_leaving_ends_the_engine(fate: Fate) -> None:
    async with fate.hold() as line:
        pass
    assert fate.engines[0].has_ended
    assert fate.value("tear_engine_up") == 0
    with pytest.raises(EngineDead):
        await first(line)


async def test_a_first_start_that_fails_is_told_and_not_tried_again(fate: Fate) -> None:
    fate.failures = [EngineError("No memory.")]
    with pytest.raises(EngineError, match="No memory"):
        async with fate.hold():
            raise AssertionError("it started")
    assert (fate.engines, fate.pauses) == ([], [])


async def test_an_adapter_that_does_nothing_stops_the_first_start(fate: Fate) -> None:
    fate.unproven = AdapterError("It changes nothing.")
    with pytest.raises(AdapterError, match="changes nothing"):
        async with fate.hold():
            raise AssertionError("it started")
    assert fate.engines[0].has_ended


async def test_a_start_that_is_broken_off_is_ended(fate: Fate) -> None:
    fate.may_start.clear()

    async def begin() -> None:
        async with fate.hold():
            raise AssertionError("it started")

    beginning = asyncio.create_task(begin())
    await asyncio.sleep(0)
    beginning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await beginning
    assert len(asyncio.all_tasks()) == 1


# Death


async def test_what_is_at_work_when_it_dies_fails_by_name(fate: Fate) -> None:
    async with fate.hold() as line, aclosing(line.generate(GENERATION)) as chunks:
        await anext(chunks)
        fate.engines[0].die()
        with pytest.raises(EngineDead) as failed:
            await anext(chunks)
        assert failed.value.code == "engine_dead"


async def test_until_it_is_back_everything_is_refused_and_told_when_to_come_again(fate: Fate) -> None:
    async with fate.hold() as line:
        fate.may_start.clear()
        fate.engines[0].die()
        with pytest.raises(EngineAway):  # whoever asks first finds out, and is told that it will be back
            await line.health()
        assert fate.value("tear_engine_up") == 0
        for ask in (line.health, lambda: first(line), lambda: line.load(OTHER)):
            with pytest.raises(EngineAway) as refused:
                await ask()
            assert refused.value.retryable
            assert refused.value.retry_after_s == 20  # what the first start took
        fate.now += 15
        ails = line.ailing()
        assert ails is not None
        assert ails.retry_after_s == 5


async def test_nobody_is_told_to_wait_for_longer_than_clients_do(fate: Fate) -> None:
    async with fate.hold() as line:
        fate.may_start.clear()
        fate.now += 1000
        line._took_s = 500.0
        fate.engines[0].die()
        with pytest.raises(EngineAway) as refused:
            await line.health()
        assert refused.value.retry_after_s == LONGEST_WAIT_S


async def test_a_death_that_nobody_is_there_to_see_is_noticed(fate: Fate) -> None:
    async with fate.hold(watch_s=0.001):
        fate.engines[0].die()
        await until(fate.is_up(2))


async def test_it_comes_back_with_what_was_loaded_proven_again(fate: Fate) -> None:
    async with fate.hold(watch_s=0.001) as line:
        await line.load(OTHER)
        fate.engines[0].die()
        await until(fate.is_up(2))
        assert fate.engines[0].has_ended
        assert fate.engines[1].loaded == [ADAPTER.name, OTHER.name]
        assert fate.proven[1:] == [(1, ADAPTER.name), (1, OTHER.name)]
        assert await first(line) == 1
        assert fate.value("tear_engine_restarts_total") == 1


async def test_what_was_unloaded_stays_so(fate: Fate) -> None:
    async with fate.hold(watch_s=0.001) as line:
        await line.load(OTHER)
        await line.unload(ADAPTER.name)
        assert fate.engines[0].loaded == [OTHER.name]
        fate.engines[0].die()
        await until(fate.is_up(2))
        assert fate.engines[1].loaded == [OTHER.name]


async def test_an_adapter_that_did_not_load_is_not_loaded_again(fate: Fate) -> None:
    async with fate.hold() as line:
        fate.engines[0].is_dead = True
        with pytest.raises(EngineDead):
            await line.load(OTHER)
        await until(fate.is_up(2))
        assert fate.engines[1].loaded == [ADAPTER.name]


async def test_a_late_word_of_the_dead_does_not_harm_the_living(fate: Fate) -> None:
    async with fate.hold(watch_s=0.001) as line, aclosing(line.generate(GENERATION)) as chunks:
        await anext(chunks)
        fate.engines[0].is_dead = True
        await until(fate.is_up(2))
        fate.engines[0].goes_on.set()
        with pytest.raises(EngineDead):
            await anext(chunks)
        assert line.ailing() is None


async def test_the_dead_engine_is_let_go_before_the_next_one_starts(fate: Fate) -> None:
    async with fate.hold(watch_s=0.001):
        dead = weakref.ref(fate.engines[0])
        fate.may_start.clear()
        fate.engines.pop().die()
        await until(lambda: fate.pauses)
        gc.collect()
        assert dead() is None
        fate.may_start.set()


# Restarts


async def test_a_restart_that_fails_is_tried_again_after_a_longer_pause(fate: Fate) -> None:
    async with fate.hold(restarts=4, watch_s=0.001):
        fate.failures = [EngineError("Not yet."), LookupError("What is this?"), EngineError("Still not.")]
        fate.engines[0].die()
        await until(fate.is_up(2))
        assert fate.pauses == [0, 2, 6, 14]
        assert fate.value("tear_engine_restarts_total") == 4


async def test_an_engine_that_dies_too_often_is_given_up_for_good(fate: Fate) -> None:
    async with fate.hold(restarts=2, watch_s=0.001) as line:
        for count in (1, 2, 3):
            await until(fate.is_up(count))
            fate.engines[-1].die()
        await until(lambda: not isinstance(line.ailing(), EngineAway | None))
        for ask in (line.health, lambda: first(line), lambda: line.load(OTHER)):
            with pytest.raises(EngineDead, match="2 times within 10 minutes") as refused:
                await ask()
            assert refused.value.code == "engine_dead"
        fate.now += 2 * WINDOW_S
        assert not isinstance(line.ailing(), EngineAway | None)
    assert all(engine.has_ended for engine in fate.engines)
    assert len(fate.engines) == 3


async def test_an_engine_that_may_not_be_started_anew_is_given_up_at_once(fate: Fate) -> None:
    async with fate.hold(restarts=0, watch_s=0.001) as line:
        fate.engines[0].die()
        await until(lambda: not isinstance(line.ailing(), EngineAway | None))
        assert (len(fate.engines), fate.pauses) == (1, [])


async def test_restarts_of_long_ago_are_forgotten(fate: Fate) -> None:
    async with fate.hold(restarts=1, watch_s=0.001) as line:
        for count in (1, 2, 3):
            await until(fate.is_up(count))
            fate.now += WINDOW_S
            fate.engines[-1].die()
        await until(fate.is_up(4))
        assert line.ailing() is None
        assert fate.pauses == [0, 0, 0]


async def test_leaving_in_the_midst_of_a_restart_ends_it(fate: Fate) -> None:
    async with fate.hold(watch_s=0.001):
        fate.may_start.clear()
        fate.engines[0].die()
        await until(lambda: fate.pauses)
    assert len(asyncio.all_tasks()) == 1
    assert len(fate.engines) == 1
