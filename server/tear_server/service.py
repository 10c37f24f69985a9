"""One model being served: its names, its reflector, and what is counted of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tear_chain.errors import UnknownModel
from tear_chain.events import Completed, Event
from tear_chain.manifest import Manifest
from tear_chain.prepared import PreparedBase
from tear_chain.words import Outcome, Reflection
from tear_server.call import begin_run
from tear_server.engine import Engine, Sampling
from tear_server.journal.journal import Journal
from tear_server.logs import with_fields
from tear_server.metrics import Metrics
from tear_server.reflection import Plan, Reflector

if TYPE_CHECKING:
    from tear_server.spans import Tracing

DIRECT_SUFFIX = "-direct"
_log = logging.getLogger("tear.reflection")


@dataclass(frozen=True, slots=True)
class Service:
    """Everything the HTTP side stands on."""

    model: str
    base: PreparedBase
    adapter: str
    manifest: Manifest
    engine: Engine
    reflector: Reflector
    metrics: Metrics
    context: int
    sampling: Sampling
    """Where the caller sets nothing."""
    revise_threshold: float | None
    started: int
    """Unix time in seconds."""
    journal: Journal | None = None
    """None: nothing is kept of what people write."""
    tracing: Tracing | None = None
    """None: no spans are made."""

    @property
    def models(self) -> tuple[str, str]:
        """The reflective model and its direct twin."""
        return self.model, self.model + DIRECT_SUFFIX

    def is_direct(self, model: str) -> bool:
        """Whether that name answers without reflecting; raise `UnknownModel` for a name not served."""
        if model not in self.models:
            raise UnknownModel(model)
        return model.endswith(DIRECT_SUFFIX)

    async def run(self, plan: Plan) -> AsyncGenerator[Event, None]:
        """Reflect, counting what happens. Closing the iterator cancels the reflection."""
        model, began, outcome = plan.request.model, time.monotonic(), Outcome.CANCELLED
        gauge = self.metrics.in_flight.labels(model)
        gauge.inc()
        run = begin_run(plan.request)
        if run.spans is not None:
            plan = replace(plan, trace=run.spans.headers)
        try:
            async with aclosing(self.reflector.reflect(plan)) as events:
                async for event in events:
                    run.see(event)
                    if isinstance(event, Completed):
                        outcome = event.reflection.outcome
                        self.metrics.completed(event.reflection)
                        if self.journal is not None:
                            # Before the event goes out: who has seen the end of a reply can report on it.
                            await self.journal.keep(plan.request, event.reflection)
                    yield event
        except (GeneratorExit, asyncio.CancelledError):
            if outcome is Outcome.CANCELLED:
                self.metrics.broke_off(model, outcome)
            raise
        except Exception as error:  # a surprise is counted like a failure with a name, and as loud
            outcome = Outcome.FAILED
            run.fail(error)
            self.metrics.broke_off(model, outcome)
            raise
        finally:
            gauge.dec()
            run.end(outcome)
            seconds = round(time.monotonic() - began, 3)
            level = logging.WARNING if outcome is Outcome.FAILED else logging.INFO
            told = with_fields(model=model, outcome=outcome, seconds=seconds, code=run.code)
            _log.log(level, "%(reflection)s", {"reflection": run.id}, extra=told)

    async def answer(self, plan: Plan) -> Reflection:
        """Run the chain to its end: the fold of `run`."""
        reflection: Reflection | None = None
        async with aclosing(self.run(plan)) as events:
            async for event in events:
                if isinstance(event, Completed):
                    reflection = event.reflection
        assert reflection is not None, "a chain that does not raise ends with Completed"
        return reflection
