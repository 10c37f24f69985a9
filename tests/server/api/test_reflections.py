from __future__ import annotations

from typing import Any

import httpx
import pytest
from scripted import ScriptedEngine
from stories import (
    ADAPTER,
    ANSWER,
    DRAFT,
    KEPT,
    MODEL,
    REVISED,
    SCENE,
    STORIES,
    Story,
    asking,
    play,
    post,
    service_over,
)

from tear_chain.events import Completed, Event, Failed, StageCompleted, TextDelta
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.wire import load_event, load_reflection
from tear_chain.words import Decision, Field, Reflection, Scene, Stage, Status

PATH = "/v1/reflections"
STORY = pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())


async def ask(tokenizer: ChainTokenizer, engine: ScriptedEngine, **fields: Any) -> Reflection:
    response = await post(service_over(engine, tokenizer), PATH, asking(**fields))
    assert response.status_code == 200, response.text
    return load_reflection(response.content)


async def stream(tokenizer: ChainTokenizer, engine: ScriptedEngine, **fields: Any) -> list[Event]:
    response = await post(service_over(engine, tokenizer), PATH, asking(stream=True, **fields))
    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    return [read(block) for block in response.text.removesuffix("\n\n").split("\n\n")]


def read(block: str) -> Event:
    name, data = block.split("\n")
    event = load_event(name.removeprefix("event: "), data.removeprefix("data: "))
    assert event is not None, block
    return event


def told(reflection: Reflection) -> tuple[object, ...]:
    """What two runs of one story share."""
    counted = tuple((report.stage, report.tokens, report.finish) for report in reflection.stages)
    return reflection.answer, reflection.draft, reflection.witness, reflection.status, reflection.problems, counted


async def test_a_reflection_is_the_whole_chain(tokenizer: ChainTokenizer) -> None:
    reflection = await ask(tokenizer, play(tokenizer, REVISED))
    assert (reflection.model, reflection.adapter, reflection.status) == (MODEL, ADAPTER, Status.COMPLETE)
    assert (reflection.draft, reflection.answer, reflection.decision) == (DRAFT, ANSWER, Decision.REVISE)
    assert reflection.witness == Scene(" a beginner", " She closes the lid.", " Silence.", -2)
    assert [report.stage for report in reflection.stages] == list(Stage)


@STORY
async def test_the_last_event_of_a_stream_is_the_whole_reply(tokenizer: ChainTokenizer, story: Story) -> None:
    last = (await stream(tokenizer, play(tokenizer, story)))[-1]
    assert isinstance(last, Completed)
    assert told(last.reflection) == told(await ask(tokenizer, play(tokenizer, story)))


@STORY
async def test_the_deltas_of_a_stream_are_its_texts(tokenizer: ChainTokenizer, story: Story) -> None:
    events = await stream(tokenizer, play(tokenizer, story))
    last = events[-1]
    assert isinstance(last, Completed)

    def said(stage: Stage, field: Field | None = None) -> str:
        deltas = [event for event in events if isinstance(event, TextDelta)]
        return "".join(event.text for event in deltas if (event.stage, event.field) == (stage, field))

    for completed in (event for event in events if isinstance(event, StageCompleted)):
        assert said(completed.report.stage) == completed.text
    assert said(Stage.WITNESS, Field.WHO) == ((last.reflection.witness or Scene()).who or "")


async def test_somebodys_draft_is_reflected_on(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, KEPT)
    reflection = await ask(tokenizer, engine, draft="Nice work.")
    assert (reflection.draft, reflection.answer, reflection.decision) == ("Nice work.", "Nice work.", Decision.KEEP)
    assert Stage.DRAFT not in engine.reached


async def test_the_direct_model_answers_without_reflecting(tokenizer: ChainTokenizer) -> None:
    reflection = await ask(tokenizer, play(tokenizer, REVISED), model=f"{MODEL}-direct")
    assert (reflection.status, reflection.answer, reflection.witness) == (Status.BYPASSED, DRAFT, None)


async def test_options_reach_the_chain(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, {**REVISED, Stage.WITNESS: (*SCENE, "<keep>")})
    fields = {"temperature": 0.1, "top_p": 0.9, "seed": 5, "max_completion_tokens": 300, "revise_threshold": 0.0}
    reflection = await ask(tokenizer, engine, **fields)
    assert reflection.decision is Decision.REVISE
    for asked in engine.asked:
        assert (asked.sampling.temperature, asked.sampling.top_p, asked.sampling.seed) == (0.1, 0.9, 5)
    assert engine.asked[0].max_tokens == 300


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
async def test_a_request_id_is_repeated(tokenizer: ChainTokenizer, streamed: bool) -> None:
    service = service_over(play(tokenizer, KEPT), tokenizer)
    response = await post(service, PATH, asking(stream=streamed), headers={"x-request-id": "abc"})
    assert response.headers["x-request-id"] == "abc"


@pytest.mark.parametrize("stage", list(Stage))
async def test_a_failure_during_a_stream_is_its_last_event(tokenizer: ChainTokenizer, stage: Stage) -> None:
    *_, last = await stream(tokenizer, play(tokenizer, REVISED, fail_in=stage))
    assert isinstance(last, Failed)
    assert (last.code, "fails here" in last.message) == ("engine_error", True)


async def test_a_failure_of_a_whole_reply_is_500(tokenizer: ChainTokenizer) -> None:
    response = await post(service_over(play(tokenizer, KEPT, fail_in=Stage.WITNESS), tokenizer), PATH, asking())
    assert (response.status_code, response.json()["error"]["code"]) == (500, "engine_error")


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"model": "gpt-5"}, 404, "model"),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "user", "content": "a"}] * 2}, 400, "messages[1]"),
        ({"messages": asking("word " * 5000)["messages"]}, 400, "messages"),
        ({"draft": "word " * 5000}, 400, "messages"),
        ({"draft": "\n"}, 400, "draft"),
        ({"draft": "x", "model": f"{MODEL}-direct"}, 400, "draft"),
        ({"draft": "x", "max_completion_tokens": 20}, 400, "max_completion_tokens"),
        ({"revise_threshold": 1.5}, 400, "revise_threshold"),
        ({"colour": "red"}, 400, "colour"),
        ({"stop": ["x"]}, 400, "stop"),
    ],
    ids=[
        *("unknown-model", "no-messages", "two-users", "too-long", "long-draft", "blank-draft", "draft-direct"),
        *("draft-without-room", "threshold", "unknown-field", "stop"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
async def test_bad_input_is_refused_naming_the_field_before_anything_is_generated(
    tokenizer: ChainTokenizer, fields: dict[str, Any], status: int, param: str, streamed: bool
) -> None:
    engine = play(tokenizer, KEPT)
    response: httpx.Response = await post(
        service_over(engine, tokenizer), PATH, asking() | fields | {"stream": streamed}
    )
    assert (response.status_code, response.json()["error"]["param"]) == (status, param)
    assert engine.asked == []
