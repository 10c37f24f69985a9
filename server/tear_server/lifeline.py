"""The engine's life: started, watched, started anew when it dies, given up on when it dies too often."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Protocol

from tear_chain.errors import EngineAway, EngineDead, TearError
from tear_server.engine import AdapterFiles, AdapterHost, Chunk, Engine, Generation
from tear_server.metrics import Metrics

WINDOW_S = 600.0
"""Restarts are counted over this long: an engine that dies once a day is started anew for ever."""
WATCH_S = 1.0
"""How often an engine that says nothing is asked whether it lives."""
PAUSE_S = 2.0
"""Before the second restart in the window; then 6, 14, 30 …: what kills an engine may pass."""
LONGEST_PAUSE_S = 60.0
LONGEST_WAIT_S = 30.0
"""No caller is told to come again later than this: clients do not obey longer waits."""

_log = logging.getLogger("tear.engine")


class LoadableEngine(Engine, AdapterHost, Protocol):
    """An engine that takes adapters in."""


Start = Callable[[], AbstractAsyncContextManager[LoadableEngine]]
"""Starts an engine; leaving the context ends it and its processes, also those of a dead one."""
Prove = Callable[[Engine, AdapterFiles], Awaitable[None]]
"""Raises a `TearError` if an adapter that was loaded changes nothing."""


@asynccontextmanager
async def lasting_engine(
    start: Start,
    adapters: Sequence[AdapterFiles],
    *,
    prove: Prove,
    restarts: int,
    metrics: Metrics,
    watch_s: float = WATCH_S,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[Lifeline]:
    """An engine with these adapters, which is started anew when it dies: up to `restarts` times within `WINDOW_S`.

    Raises what the first start raises; that one is not tried again. Leaving the context ends the engine.
    """
    line = Lifeline(start, prove=prove, restarts=restarts, metrics=metrics, watch_s=watch_s, clock=clock, sleep=sleep)
    keeping = asyncio.create_task(line.keep(adapters))
    try:
        await line.started()
        yield line
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


class Lifeline:
    """The `Engine`, and `AdapterHost`, over one that may die.

    What is at work when it dies fails with `EngineDead`; then all fails with `EngineAway`, until a new one stands there
    with the same adapters, or with `EngineDead` once it has been given up.
    """

    def __init__(
        self,
        start: Start,
        *,
        prove: Prove,
        restarts: int,
        metrics: Metrics,
        watch_s: float,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._start, self._prove, self._restarts, self._metrics = start, prove, restarts, metrics
        self._watch_s, self._clock, self._sleep = watch_s, clock, sleep
        self._first = asyncio.Event()
        self._failure: Exception | None = None
        """What kept the engine from its first start."""
        self._engine: LoadableEngine | None = None
        """None while none can be asked."""
        self._lost = asyncio.Event()
        self._adapters: dict[str, AdapterFiles] = {}
        self._restarted: deque[float] = deque()
        """When, within the window."""
        self._is_given_up = False
        self._took_s = 0.0
        """The last start."""
        self._back_at = 0.0
        """When the engine is expected back."""

    # As an engine

    async def generate(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
        """As the engine beneath."""
        engine = self._present()
        try:
            async with aclosing(engine.generate(generation)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except EngineDead:
            self._lose(engine)
            raise

    async def health(self) -> None:
        """As the engine beneath; `EngineAway` while it can be expected back."""
        engine = self._present()
        try:
            await engine.health()
        except EngineDead:
            self._lose(engine)
            self._present()

    async def load(self, files: AdapterFiles) -> None:
        """As the engine beneath, and again at every restart."""
        engine = self._present()
        try:
            await engine.load(files)
        except EngineDead:
            self._lose(engine)
            raise
        self._adapters[files.name] = files

    async def unload(self, name: str) -> None:
        """As the engine beneath."""
        self._adapters.pop(name, None)
        if (engine := self._engine) is not None:
            await engine.unload(name)

    def ailing(self) -> EngineDead | None:
        """Why nothing can be asked of the engine just now; None if it can."""
        if self._engine is not None:
            return None
        if self._is_given_up:
            return EngineDead(
                f"The engine stopped and is not started anew: that was done {self._restarts} times within "
                f"{WINDOW_S / 60:.0f} minutes, as often as --engine-restarts allows."
            )
        return EngineAway(
            "The engine stopped and is being started anew.",
            retry_after_s=min(max(self._back_at - self._clock(), 1.0), LONGEST_WAIT_S),
        )

    # Its life

    async def keep(self, adapters: Sequence[AdapterFiles]) -> None:
        """Start the engine, and start it anew until it is given up; cancelling this ends it."""
        self._adapters = {files.name: files for files in adapters}
        # A life is a call of its own: what it leaves behind must not hold the dead engine while the next one starts.
        await self._live()
        while self._failure is None and await self._may_restart():
            await self._live()
        self._is_given_up = True

    async def started(self) -> None:
        """Return once the engine has been started for the first time; raise what kept it from that."""
        await self._first.wait()
        if self._failure is not None:
            raise self._failure

    async def _live(self) -> None:
        began = self._clock()
        try:
            async with self._start() as engine:
                for files in tuple(self._adapters.values()):
                    await engine.load(files)
                    await self._prove(engine, files)
                self._took_s = self._clock() - began
                if self._first.is_set():
                    _log.warning("the engine is back after %.1f s", self._took_s)
                self._gain(engine)
                try:
                    await self._death(engine)
                finally:
                    self._lose(engine)  # before it is ended: nobody is to ask it while it ends
        except Exception as error:  # whatever it is: a task that ends unseen would never bring the engine back
            if not self._first.is_set():
                # The frames of one that is only told would hold the engine to the very end.
                self._failure = error.with_traceback(None) if isinstance(error, TearError) else error
                self._first.set()
                return
            _log.error("the engine cannot be started: %s", error, exc_info=not isinstance(error, TearError))

    async def _may_restart(self) -> bool:
        """Whether the engine is to be started anew, now that the pause before it is over."""
        while self._restarted and self._clock() - self._restarted[0] >= WINDOW_S:
            self._restarted.popleft()
        if len(self._restarted) >= self._restarts:
            _log.error("the engine stopped and is given up: restart the server")
            return False
        pause_s = min(PAUSE_S * (2.0 ** len(self._restarted) - 1), LONGEST_PAUSE_S)
        self._back_at = self._clock() + pause_s + self._took_s
        await self._sleep(pause_s)
        self._restarted.append(self._clock())
        self._metrics.engine_restarts.inc()
        _log.warning("the engine stopped; restart %d of %d", len(self._restarted), self._restarts)
        return True

    async def _death(self, engine: LoadableEngine) -> None:
        """Return when the engine has died: a call found out, or nobody called and it is not well."""
        while not self._lost.is_set():
            try:
                async with asyncio.timeout(self._watch_s):
                    await self._lost.wait()
            except TimeoutError:
                try:
                    await engine.health()
                except EngineDead:
                    self._lose(engine)

    def _present(self) -> LoadableEngine:
        if (error := self.ailing()) is not None:
            raise error
        assert self._engine is not None, "what ails nothing is there"
        return self._engine

    def _gain(self, engine: LoadableEngine) -> None:
        self._engine = engine
        self._lost.clear()
        self._metrics.engine_up.set(1)
        self._first.set()

    def _lose(self, engine: LoadableEngine) -> None:
        if engine is not self._engine:
            return
        self._engine = None
        self._back_at = self._clock() + self._took_s
        self._metrics.engine_up.set(0)
        self._lost.set()
