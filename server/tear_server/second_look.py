"""A second look: a share of the revised answers is witnessed once more, after it has gone out.

The chain foresees the consequence of its draft and never that of its revision. Only so is it seen what revising does.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

from tear_chain.errors import TearError
from tear_chain.events import Completed
from tear_chain.words import Outcome, Reflection
from tear_server.budget import Caps
from tear_server.door import Door
from tear_server.metrics import Metrics
from tear_server.reflection import ReflectionRequest, Reflector
from tear_server.registry import Registry

AT_ONCE = 8
"""More are passed over: whoever waits for an answer comes first."""

_log = logging.getLogger("tear.second_look")


class SecondLook:
    """Witnesses answers in the background; nobody waits for it, and nothing that goes wrong in it reaches anybody."""

    def __init__(
        self,
        reflector: Reflector,
        registry: Registry,
        metrics: Metrics,
        *,
        share: float,
        door: Door,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._reflector, self._registry, self._metrics = reflector, registry, metrics
        self._share, self._door, self._chance = share, door, chance
        self._looking: set[asyncio.Task[None]] = set()

    def consider(self, request: ReflectionRequest, reflection: Reflection) -> None:
        """Perhaps look at the answer of a reflection that has ended; returns at once."""
        if reflection.outcome is not Outcome.REVISED or self._chance() >= self._share:
            return
        if len(self._looking) >= AT_ONCE:
            self._metrics.second_looks.labels(request.model, "passed_over").inc()
            return
        again = replace(
            request,
            id=f"{request.id}-again",
            draft=reflection.answer,
            only_witness=True,
            max_tokens=None,
            stops=(),
            caps=Caps(),
            top_logprobs=None,
            json_schema=None,
        )
        task = asyncio.create_task(self._look(again, reflection))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def end(self) -> None:
        """Give up what is under way."""
        looking = tuple(self._looking)
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)

    async def _look(self, request: ReflectionRequest, first: Reflection) -> None:
        try:
            self._door.check()
            seen = await self._witness(request)
        except TearError as error:
            _log.info("%(reflection)s: %(code)s", {"reflection": request.id, "code": error.code})
            self._metrics.second_looks.labels(request.model, "failed").inc()
        else:
            self._metrics.looked_again(first, seen)

    async def _witness(self, request: ReflectionRequest) -> Reflection:
        plan = self._reflector.plan(request)
        self._registry.hold(plan, request.adapter)
        try:
            async with aclosing(self._reflector.reflect(plan)) as events:
                async for event in events:
                    if isinstance(event, Completed):
                        return event.reflection
        finally:
            self._registry.release(plan, request.adapter)
        raise AssertionError("a chain that does not raise ends with Completed")


@asynccontextmanager
async def open_second_look(
    reflector: Reflector, registry: Registry, metrics: Metrics, *, share: float, door: Door
) -> AsyncIterator[SecondLook | None]:
    """None for a share of 0; leaving the context gives up what is under way."""
    if not share:
        yield None
        return
    look = SecondLook(reflector, registry, metrics, share=share, door=door)
    try:
        yield look
    finally:
        await look.end()
