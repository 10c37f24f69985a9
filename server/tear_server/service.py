"""What is served: the names, the reflector behind them, and what is counted of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tear_chain.events import Completed, Event
from tear_chain.prepared import PreparedBase
from tear_chain.words import Outcome, Reflection
from tear_server.call import begin_run
from tear_server.door import Door
from tear_server.engine import Engine, Sampling
from tear_server.journal.journal import Journal
from tear_server.logs import with_fields
from tear_server.metrics import Metrics
from tear_server.reflection import Plan, ReflectionRequest, Reflector
from tear_server.registry import Registry, Served
from tear_server.rollout import Rollout
from tear_server.second_look import SecondLook

if TYPE_CHECKING:
    from tear_server.spans import Tracing

_log = logging.getLogger("tear.reflection")


@dataclass(frozen=True, slots=True)
class Service:
    """Everything the HTTP side stands on."""

    base: PreparedBase
    registry: Registry
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
    rollout: Rollout | None = None
    """None: what is served stays as it was at the start."""
    second_look: SecondLook | None = None
    """None: what a revision does is not looked at."""
    door: Door = field(default_factory=Door)
    """Whether new work is let in."""

    @property
    def model(self) -> str:
        """The model of a request that names none."""
        return self.registry.default

    @property
    def models(self) -> tuple[str, ...]:
        """Every name: the reflective models, each with its direct twin."""
        return self.registry.models

    def look(self, model: str | None) -> Served:
        """What is served under a name now; raise `UnknownModel` for a name that is not. Look once for a request."""
        return self.registry.look(model)

    def plan(self, request: ReflectionRequest) -> Plan:
        """Make a request ready; its adapter stays loaded until the plan has run or is dropped."""
        plan = self.reflector.plan(request)
        self.registry.hold(plan, request.adapter)
        return plan

    async def run(self, plan: Plan) -> AsyncGenerator[Event, None]:
        """Reflect, counting what happens. Closing the iterator cancels the reflection."""
        model, began, outcome = plan.request.model, time.monotonic(), Outcome.CANCELLED
        gauge = self.metrics.in_flight.labels(model)
        gauge.inc()
        held = plan
        self.registry.hold(held, plan.request.adapter)
        run = begin_run(plan.request)
        if run.spans is not None:
            plan = replace(plan, trace=run.spans.headers)
        try:
            async with aclosing(self.reflector.reflect(plan)) as events:
                async for event in events:
                    run.see(event)
                    if isinstance(event, Completed):
                        outcome = event.reflection.outcome
                        self.metrics.completed(event.reflection, only_witness=plan.request.only_witness)
                        if self.journal is not None:
                            # Before the event goes out: who has seen the end of a reply can report on it.
                            await self.journal.keep(plan.request, event.reflection)
                        if self.second_look is not None:
                            self.second_look.consider(plan.request, event.reflection)
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
            self.registry.release(held, plan.request.adapter)
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
