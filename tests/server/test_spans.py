from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from scripted import ScriptedEngine
from stories import KEPT, MODEL, REVISED, STORIES, Story, asking, play, service_over, until

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Decision, Problem, Stage
from tear_server.api.app import Access, build_app
from tear_server.keys import Key, make_key
from tear_server.spans import Tracing

CHAT = "/v1/chat/completions"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
MARK = "Quokka-the-neighbour"
ALICE, ALICES = make_key()


class Traced:
    """An application whose spans are kept here."""

    def __init__(self, tokenizer: ChainTokenizer, engine: ScriptedEngine, **access: Any) -> None:
        self._exporter = InMemorySpanExporter()
        tracing = Tracing(SimpleSpanProcessor(self._exporter))
        self._app = build_app(replace(service_over(engine, tokenizer), tracing=tracing), Access(**access))

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url="http://tear")

    async def ask(self, path: str, body: object, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client() as http:
            return await http.post(path, json=body, headers=named)

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()

    @property
    def roots(self) -> list[ReadableSpan]:
        return [span for span in self.spans if span.kind is SpanKind.SERVER]

    def stages(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Names and attributes of the stages, in the order in which they began."""
        own = sorted(
            (span for span in self.spans if span.kind is SpanKind.INTERNAL), key=lambda span: span.start_time or 0
        )
        return [(span.name, attributes(span)) for span in own]


def attributes(span: ReadableSpan) -> Mapping[str, Any]:
    return dict(span.attributes or {})


def traced(tokenizer: ChainTokenizer, story: Story = REVISED, **options: Any) -> Traced:
    return Traced(tokenizer, play(tokenizer, story, **options))


async def test_a_request_is_a_span_by_the_names_of_the_conventions(tokenizer: ChainTokenizer) -> None:
    traces = traced(tokenizer, cached_tokens=4)
    reply = (await traces.ask(CHAT, asking(), x_session_id="evening", x_request_id="mine-1")).json()
    [root] = traces.roots
    told = dict(attributes(root))
    assert 0 <= told.pop("gen_ai.response.time_to_first_chunk") < 60
    usage = reply["usage"]
    assert root.name == f"chat {MODEL}"
    assert told == {
        "http.request.method": "POST",
        "http.route": CHAT,
        "http.response.status_code": 200,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "the-tear",
        "gen_ai.request.model": MODEL,
        "gen_ai.response.model": MODEL,
        "gen_ai.response.id": reply["id"],
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": usage["prompt_tokens"],
        "gen_ai.usage.output_tokens": usage["completion_tokens"],
        "gen_ai.usage.reasoning.output_tokens": usage["completion_tokens_details"]["reasoning_tokens"],
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.conversation.id": "evening",
        "tear.request.id": "mine-1",
        "tear.reflections": 1,
        "tear.outcome": ("revised",),
    }


async def test_each_stage_is_a_span_below_its_request(tokenizer: ChainTokenizer) -> None:
    traces = traced(tokenizer, logprobs={tokenizer.chain.decisions[Decision.REVISE]: -0.1})
    reflection = (await traces.ask("/v1/reflections", asking())).json()
    [root] = traces.roots
    assert [span.parent and span.parent.span_id for span in traces.spans if span is not root] == [
        root.context.span_id
    ] * 3
    stages = traces.stages()
    assert [name for name, _ in stages] == ["draft", "witness", "revised"]
    for (name, told), report in zip(stages, reflection["stages"], strict=True):
        assert told["tear.reflection.id"] == reflection["id"]
        assert told["tear.stage"] == name
        for field in ("tokens", "prompt_tokens", "cached_tokens", "finish"):
            assert told[f"tear.{field}"] == report[field]
    witness = stages[1][1]
    assert (witness["tear.weight"], witness["tear.decision"]) == (-2, "revise")
    assert witness["tear.expected_weight"] == pytest.approx(reflection["expected_weight"])
    assert witness["tear.revise_probability"] == pytest.approx(reflection["revise_probability"])


async def test_a_stage_ends_when_it_ended_and_within_its_request(tokenizer: ChainTokenizer) -> None:
    traces = traced(tokenizer)
    await traces.ask(CHAT, asking())
    [root] = traces.roots
    ends = [
        span.end_time or 0 for span in sorted(traces.spans, key=lambda span: span.start_time or 0) if span is not root
    ]
    assert ends == sorted(ends)
    assert ends[0] < ends[-1] <= (root.end_time or 0)


@pytest.mark.parametrize(
    ("path", "body", "name", "stages"),
    [
        ("/v1/responses", {"input": "Am I any good?"}, f"chat {MODEL}", 3),
        ("/v1/reflections", asking(), f"chat {MODEL}", 3),
        ("/v1/reflections", asking(draft="No."), f"chat {MODEL}", 2),
        ("/v1/witness", {"items": [asking(answer="No.")] * 2}, f"witness {MODEL}", 2),
        (CHAT, asking(model=f"{MODEL}-direct"), f"chat {MODEL}-direct", 1),
        (CHAT, asking(n=3), f"chat {MODEL}", 9),
        (CHAT, asking(stream=True), f"chat {MODEL}", 3),
    ],
    ids=["responses", "reflections", "draft", "witness", "direct", "several", "stream"],
)
async def test_every_way_to_ask_is_one_span_and_one_for_each_stage(
    tokenizer: ChainTokenizer, path: str, body: dict[str, Any], name: str, stages: int
) -> None:
    traces = traced(tokenizer)
    await traces.ask(path, body)
    assert ([root.name for root in traces.roots], len(traces.stages())) == ([name], stages)


async def test_what_is_no_work_for_the_model_is_named_after_its_route(tokenizer: ChainTokenizer) -> None:
    traces = traced(tokenizer)
    async with traces.client() as http:
        for path in ("/health", "/metrics", "/v1/models", f"/v1/models/{MARK}", f"/v1/{MARK}"):
            await http.get(path)
    assert [root.name for root in traces.roots] == ["GET /v1/models", "GET /v1/models/{name}"]


# Trace context


async def test_a_callers_trace_goes_on_and_reaches_the_engine(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED)
    traces = Traced(tokenizer, engine)
    await traces.ask(CHAT, asking(), traceparent=f"00-{TRACE}-{PARENT}-01", tracestate="vendor=1")
    [root] = traces.roots
    assert root.parent is not None
    assert (f"{root.parent.span_id:016x}", f"{root.context.trace_id:032x}") == (PARENT, TRACE)
    expected = {"traceparent": f"00-{TRACE}-{root.context.span_id:016x}-01", "tracestate": "vendor=1"}
    assert [asked.trace for asked in engine.asked] == [expected] * len(engine.asked)


async def test_what_a_caller_does_not_sample_is_not_sent(tokenizer: ChainTokenizer) -> None:
    traces = traced(tokenizer)
    await traces.ask(CHAT, asking(), traceparent=f"00-{TRACE}-{PARENT}-00")
    assert traces.spans == ()


async def test_a_trace_context_that_is_none_begins_a_new_trace(tokenizer: ChainTokenizer) -> None:
    traces = traced(tokenizer)
    await traces.ask(CHAT, asking(), traceparent=MARK)
    assert traces.roots[0].parent is None


async def test_without_tracing_the_engine_is_told_of_none(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, KEPT)
    app = build_app(service_over(engine, tokenizer))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tear") as http:
        await http.post(CHAT, json=asking(), headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    assert {asked.trace for asked in engine.asked} == {None}


# What goes wrong


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_failure_marks_its_stage_and_its_request(tokenizer: ChainTokenizer, stream: bool) -> None:
    traces = traced(tokenizer, fail_in=Stage.WITNESS)
    await traces.ask(CHAT, asking(stream=stream))
    [root] = traces.roots
    assert (root.status.status_code, attributes(root)["error.type"]) == (StatusCode.ERROR, "engine_error")
    marked = {span.name: span.status.status_code for span in traces.spans if span is not root}
    assert marked == {"draft": StatusCode.UNSET, "witness": StatusCode.ERROR}


async def test_a_refusal_is_no_failure_of_the_server(tokenizer: ChainTokenizer) -> None:
    traces = Traced(tokenizer, play(tokenizer, KEPT), keys={"alice": Key(sha256=ALICES)})
    await traces.ask(CHAT, asking())
    await traces.ask(CHAT, asking(model=MARK), authorization=f"Bearer {ALICE}")
    assert [(root.name, attributes(root)["http.response.status_code"]) for root in traces.roots] == [
        (f"POST {CHAT}", 401),
        (f"POST {CHAT}", 404),
    ]
    assert {root.status.status_code for root in traces.roots} == {StatusCode.UNSET}
    assert [attributes(root).get("tear.key") for root in traces.roots] == [None, "alice"]


async def test_who_leaves_ends_every_span(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED, hang_in=Stage.WITNESS)
    traces = Traced(tokenizer, engine)
    work = asyncio.create_task(traces.ask(CHAT, asking()))
    await until(lambda: Stage.WITNESS in engine.reached)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert [span.name for span in traces.spans] == ["draft", "witness", f"chat {MODEL}"]
    told = attributes(traces.roots[0])
    assert (told["tear.outcome"], told["gen_ai.usage.output_tokens"]) == (
        ("cancelled",),
        len(engine.scripts[Stage.DRAFT]),
    )


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        ("gaps", {"witness": ("missing_who", "missing_ripples")}),
        ("endless-draft", {"draft": ("cut_draft",)}),
        ("endless-revision", {"revised": ("cut_revision",)}),
        ("empty-revision", {"revised": ("empty_revision",)}),
        ("draft-ends-oddly", {}),
        ("revised", {}),
    ],
)
async def test_a_problem_is_told_with_its_stage_and_with_the_request(
    tokenizer: ChainTokenizer, story: str, expected: dict[str, tuple[str, ...]]
) -> None:
    traces = traced(tokenizer, STORIES[story])
    reflection = (await traces.ask("/v1/reflections", asking())).json()
    assert attributes(traces.roots[0]).get("tear.problems", ()) == tuple(reflection["problems"])
    found = {name: told["tear.problems"] for name, told in traces.stages() if "tear.problems" in told}
    assert {name: set(problems) for name, problems in found.items()} == {
        name: set(problems) for name, problems in expected.items()
    }


def test_every_problem_that_names_its_stage_is_told_there() -> None:
    from tear_server.spans import ANYWHERE, OF_TEXT_STAGES

    for stage, problems in OF_TEXT_STAGES.items():
        word = "revision" if stage is Stage.REVISED else stage.value
        assert problems == {problem for problem in Problem if problem.endswith(word)}
    assert {Problem.STRAY_TOKEN} == ANYWHERE


async def test_no_text_of_people_or_models_is_in_any_span(tokenizer: ChainTokenizer) -> None:
    story = {
        stage: tuple(part if part.startswith("<") else f"{part} {MARK}" for part in parts)
        for stage, parts in REVISED.items()
    }
    traces = traced(tokenizer, story)
    for path, body in (
        (CHAT, asking(MARK, reflection={"draft": MARK})),
        ("/v1/responses", {"input": MARK, "instructions": MARK, "metadata": {MARK: MARK}}),
        ("/v1/reflections", asking(MARK)),
        ("/v1/witness", {"items": [asking(MARK, answer=MARK)]}),
        (f"/v1/{MARK}", {}),
        (CHAT, asking(MARK, model=MARK)),
    ):
        await traces.ask(path, body, x_session_id=f"of {MARK}", x_request_id=f"of {MARK}")
    assert len(traces.roots) == 5
    assert MARK not in json.dumps([json.loads(span.to_json()) for span in traces.spans])
