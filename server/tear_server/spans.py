"""The spans of a request: one for it, and one below for each stage of its reflections. No user text is in any.

Names are those of OpenTelemetry's conventions for generative AI; what they have no word for begins with `tear.`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from tear_chain.events import Completed, Event, StageCompleted, StageStarted, Witnessed
from tear_chain.words import Outcome, Problem, Reflection, Stage, StageReport
from tear_server import __version__
from tear_server.call import NAME, Call, Usage

PROVIDER = "the-tear"
OF_TEXT_STAGES: Mapping[Stage, frozenset[Problem]] = {
    Stage.DRAFT: frozenset({Problem.EMPTY_DRAFT, Problem.CUT_DRAFT, Problem.LATE_DRAFT}),
    Stage.REVISED: frozenset({Problem.EMPTY_REVISION, Problem.CUT_REVISION, Problem.LATE_REVISION}),
}
ANYWHERE = frozenset({Problem.STRAY_TOKEN})
"""Its stage is not known; the request's own span has it."""
_propagator = TraceContextTextMapPropagator()


class Tracing:
    """Makes the spans of one server, for one processor."""

    def __init__(self, processor: SpanProcessor) -> None:
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("tear_server", __version__)

    def begin(self, method: str, *, path: str, headers: Mapping[str, str]) -> RequestSpan:
        """Begin a request's span, below the caller's if `headers` tell of one; `path` as the routes write it."""
        attributes = {"http.request.method": method, "http.route": path}
        conversation = headers.get("x-session-id", "")
        if NAME.fullmatch(conversation):
            attributes["gen_ai.conversation.id"] = conversation
        span = self._tracer.start_span(
            f"{method} {path}", context=_propagator.extract(headers), kind=SpanKind.SERVER, attributes=attributes
        )
        return RequestSpan(self._tracer, span)

    def close(self) -> None:
        """Send what was not yet sent; nothing is made any more."""
        self._provider.shutdown()


class RequestSpan:
    """The span of one request."""

    def __init__(self, tracer: Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span
        self._context = set_span_in_context(span)

    def begin_run(self, reflection_id: str) -> RunSpans:
        """The spans of one reflection, below this one."""
        return RunSpans(self._tracer, self._context, reflection_id)

    def end(self, call: Call, *, operation: str | None, status: int, usage: Usage) -> None:
        """Say how the request went; `operation` is its name among those of generative AI."""
        told: dict[str, AttributeValue] = {"http.response.status_code": status, "tear.request.id": call.id}
        if call.key is not None:
            told["tear.key"] = call.key
        if call.runs and operation is not None:
            self._span.update_name(f"{operation} {call.runs[0].model}")
            told |= _of_generation(call, operation=operation, usage=usage)
        code = call.failure
        if code is not None and (status >= 500 or status < 400):  # a refusal is the client's fault, no failure here
            self._span.set_status(StatusCode.ERROR)
            told["error.type"] = code
        self._span.set_attributes(told)
        self._span.end()


class RunSpans:
    """The spans of a reflection's stages: shown every event, they know what came of each."""

    def __init__(self, tracer: Tracer, context: Context, reflection_id: str) -> None:
        self._tracer = tracer
        self._context = context
        self._reflection_id = reflection_id
        self._spans: dict[Stage, Span] = {}
        self._ended_ns: dict[Stage, int] = {}
        self.headers: dict[str, str] = {}
        """What tells an engine of the request's span. Its work is beside the stages, since it may write several."""
        _propagator.inject(self.headers, context=context)

    def see(self, event: Event) -> None:
        """Take notice of what happened."""
        match event:
            case StageStarted(stage=stage):
                attributes = {"tear.stage": stage.value, "tear.reflection.id": self._reflection_id}
                self._spans[stage] = self._tracer.start_span(stage.value, context=self._context, attributes=attributes)
            case StageCompleted(report=report) if report.stage in self._spans:
                self._spans[report.stage].set_attributes(_of_stage(report))
                self._ended_ns[report.stage] = time.time_ns()
            case Witnessed():
                self._spans[Stage.WITNESS].set_attributes(_of_witness(event))
            case Completed(reflection=reflection):
                for stage, span in self._spans.items():
                    if problems := _problems(reflection, stage):
                        span.set_attribute("tear.problems", problems)
            case _:
                pass

    def end(self, outcome: Outcome) -> None:
        """End them, each when its stage did; one that did not end with a failure bears it."""
        for stage, span in self._spans.items():
            if stage not in self._ended_ns and outcome is Outcome.FAILED:
                span.set_status(StatusCode.ERROR)
            span.end(self._ended_ns.get(stage))


def _resource() -> Resource:
    found = Resource.create({SERVICE_VERSION: __version__})
    # The variables of OpenTelemetry may name the service; where they do not, the library makes up a name.
    is_named = not str(found.attributes[SERVICE_NAME]).startswith("unknown_service")
    return found if is_named else found.merge(Resource({SERVICE_NAME: PROVIDER}))


def _of_generation(call: Call, *, operation: str, usage: Usage) -> dict[str, AttributeValue]:
    whole = list(call.reflections)
    model = call.runs[0].model
    told: dict[str, AttributeValue] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": PROVIDER,
        "gen_ai.request.model": model,
        "gen_ai.usage.input_tokens": usage.prompt,
        "gen_ai.usage.output_tokens": usage.completion,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning,
        "gen_ai.usage.cache_read.input_tokens": usage.cached,
        "tear.reflections": len(call.runs),
        "tear.outcome": [run.outcome.value for run in call.runs],
    }
    if call.reply_id is not None:
        told["gen_ai.response.id"] = call.reply_id
    if whole:
        told["gen_ai.response.model"] = model
        told["gen_ai.response.finish_reasons"] = ["length" if each.answer_cut else "stop" for each in whole]
    if problems := list(dict.fromkeys(problem.value for each in whole for problem in each.problems)):
        told["tear.problems"] = problems
    firsts = [run.first_text_s for run in call.runs if run.first_text_s is not None]
    if firsts:
        told["gen_ai.response.time_to_first_chunk"] = min(firsts) - call.began_s
    return told


def _of_stage(report: StageReport) -> dict[str, AttributeValue]:
    return {
        "tear.tokens": report.tokens,
        "tear.prompt_tokens": report.prompt_tokens,
        "tear.cached_tokens": report.cached_tokens,
        "tear.finish": report.finish,
    }


def _of_witness(event: Witnessed) -> dict[str, AttributeValue]:
    told: dict[str, AttributeValue | None] = {
        "tear.weight": event.scene.weight,
        "tear.expected_weight": event.expected_weight,
        "tear.decision": event.decision.value,
        "tear.revise_probability": event.revise_probability,
    }
    return {name: value for name, value in told.items() if value is not None}


def _problems(reflection: Reflection, stage: Stage) -> list[str]:
    of_others = frozenset[Problem]().union(*OF_TEXT_STAGES.values())
    mine = OF_TEXT_STAGES.get(stage, frozenset(Problem) - of_others) - ANYWHERE
    return [problem.value for problem in reflection.problems if problem in mine]
