"""How long a stage may take: a stage that is out of time is cut like one that is out of tokens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from tear_chain.words import Stage
from tear_server.engine import Chunk


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds for each stage, from asking the engine; None waits for ever."""

    draft_s: float | None = None
    witness_s: float | None = None
    revision_s: float | None = None
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    def limit_s(self, stage: Stage) -> float | None:
        """How long that stage may take."""
        return {Stage.DRAFT: self.draft_s, Stage.WITNESS: self.witness_s, Stage.REVISED: self.revision_s}[stage]

    def start(self, stage: Stage) -> Deadline:
        """The time of that stage, running."""
        return Deadline(self.limit_s(stage), clock=self.clock)


class Deadline:
    """One stage's time; it runs from here on."""

    def __init__(self, limit_s: float | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = None if limit_s is None else clock() + limit_s
        self.passed = False
        """Whether the time ran out before the chunks did."""

    async def next(self, chunks: AsyncGenerator[Chunk, None]) -> Chunk | None:
        """The next chunk; None when there is none, or none in time. An engine that is late has been cancelled."""
        left_s = None if self._at is None else self._at - self._clock()
        if left_s is not None and left_s <= 0:
            self.passed = True
            return None
        try:
            async with asyncio.timeout(left_s) as patience:
                return await anext(chunks, None)
        except TimeoutError:
            if not patience.expired():
                raise
            self.passed = True
            return None
