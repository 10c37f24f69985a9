from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, get_args

import httpx
import pytest
from openai.types import responses as openai_types
from pydantic import BaseModel
from stories import ADAPTER, ANSWER, DRAFT, KEPT, MODEL, REVISED, STORIES, Story, play, post, service_over, until

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.tokens import TOKEN_NAMES
from tear_chain.wire import load_reflection
from tear_chain.words import Stage
from tear_server.api.app import build_app
from tear_server.service import Service

PATH = "/v1/responses"
STORY = pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
ASKED = "Am I any good?"
Condition = Callable[[], bool]
KINDS: Mapping[str, type[BaseModel]] = {
    get_args(kind.model_fields["type"].annotation)[0]: kind
    for kind in get_args(get_args(openai_types.ResponseStreamEvent)[0])
}
"""The openai SDK's own models, by the name of the event."""


def asking(said: object = ASKED, **fields: Any) -> dict[str, Any]:
    return {"input": said, **fields}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


async def ask(tokenizer: ChainTokenizer, story: Story, *, engine: dict[str, Any] | None = None, **fields: Any) -> Any:
    """The whole reply to a fresh service over `story`."""
    response = await post(service_over(play(tokenizer, story, **(engine or {})), tokenizer), PATH, asking(**fields))
    assert response.status_code == 200, response.text
    return response.json()


async def stream(
    tokenizer: ChainTokenizer, story: Story, *, engine: dict[str, Any] | None = None, **fields: Any
) -> list[Any]:
    """The events of a streamed reply of a fresh service over `story`."""
    service = service_over(play(tokenizer, story, **(engine or {})), tokenizer)
    response = await post(service, PATH, asking(stream=True, **fields))
    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    return [read(block) for block in response.text.removesuffix("\n\n").split("\n\n")]


def read(block: str) -> Any:
    name, data = block.split("\n")
    event = json.loads(data.removeprefix("data: "))
    assert name == f"event: {event['type']}"
    return event


def folded(events: list[Any]) -> list[Any]:
    """The output that a client adds up from the events of items, parts and texts, each where it belongs."""
    output: list[Any] = []
    for event in events:
        match event["type"].removeprefix("response.").split("."):
            case ["output_item", "added"]:
                assert event["output_index"] == len(output)
                output.append(event["item"])
            case ["content_part", "added"]:
                assert event["content_index"] == len(at(output, event)["content"])
                at(output, event)["content"].append(event["part"])
            case ["output_text" | "reasoning_text", "delta"]:
                part(output, event)["text"] += event["delta"]
            case ["output_text" | "reasoning_text", "done"]:
                assert part(output, event)["text"] == event["text"]
            case ["content_part", "done"]:
                assert part(output, event) == event["part"]
            case ["output_item", "done"]:
                item = output[event["output_index"]]
                assert item == {**event["item"], "status": "in_progress"}
                item["status"] = event["item"]["status"]
    return output


def at(output: list[Any], event: Any) -> Any:
    item = output[event["output_index"]]
    assert item["id"] == event["item_id"]
    return item


def part(output: list[Any], event: Any) -> Any:
    return at(output, event)["content"][event["content_index"]]


def told(response: dict[str, Any]) -> dict[str, Any]:
    """The response without what two runs never share: ids and times."""
    shared = {name: value for name, value in response.items() if name not in {"id", "created_at", "completed_at"}}
    shared["output"] = [{**item, "id": item["id"].split("_")[0]} for item in response["output"]]
    if shared["reflection"]:
        stages = shared["reflection"]["stages"]
        stages = [{name: value for name, value in each.items() if "seconds" not in name} for each in stages]
        shared["reflection"] = {**shared["reflection"], "id": "", "stages": stages}
    return shared


def texts(response: dict[str, Any]) -> dict[str, str]:
    """What each item says, by its type."""
    return {item["type"]: "".join(each["text"] for each in item["content"]) for item in response["output"]}


# Streamed and whole


@pytest.mark.parametrize(
    ("fields", "chunk_size"),
    [
        ({}, 1),
        ({}, 7),
        ({"model": f"{MODEL}-direct"}, 2),
        ({"include_reasoning": False}, 2),
        ({"reflection": {"draft": "No talent."}}, 2),
        ({"max_output_tokens": 40}, 2),
    ],
    ids=["one-by-one", "by-seven", "direct", "hidden", "supplied", "small"],
)
@STORY
async def test_the_stream_folded_is_the_whole_reply(
    tokenizer: ChainTokenizer, story: Story, fields: dict[str, Any], chunk_size: int
) -> None:
    engine = {"chunk_size": chunk_size, "cached_tokens": 2}
    whole = await ask(tokenizer, story, engine=engine, **fields)
    events = await stream(tokenizer, story, engine=engine, **fields)
    last = events[-1]["response"]
    assert folded(events) == last["output"]
    assert told(last) == told(whole)
    assert events[-1]["type"] == f"response.{whole['status']}"


@STORY
async def test_the_message_is_the_answer_of_the_reflection(tokenizer: ChainTokenizer, story: Story) -> None:
    reply = await ask(tokenizer, story)
    assert texts(reply)["message"] == reply["reflection"]["answer"]
    assert reply["reflection"]["draft"] in texts(reply)["reasoning"]


@pytest.mark.parametrize("chunk_size", [1, 7])
@STORY
async def test_nothing_that_may_be_withdrawn_is_ever_output_text(
    tokenizer: ChainTokenizer, story: Story, chunk_size: int
) -> None:
    events = await stream(tokenizer, story, engine={"chunk_size": chunk_size})
    answer, said = events[-1]["response"]["reflection"]["answer"], ""
    for event in events:
        if event["type"] == "response.output_text.delta":
            said += event["delta"]
            assert answer.startswith(said)
    assert said == answer


async def test_an_answer_comes_in_many_parts(tokenizer: ChainTokenizer) -> None:
    direct: dict[str, Any] = {"model": f"{MODEL}-direct"}
    for story, fields in ((REVISED, {}), (KEPT, direct)):
        events = await stream(tokenizer, story, **fields)
        assert len([event for event in events if event["type"] == "response.output_text.delta"]) > 3


# The conventions of the stream


async def test_the_events_come_in_openais_order(tokenizer: ChainTokenizer) -> None:
    names = [event["type"].removeprefix("response.") for event in await stream(tokenizer, REVISED)]
    once = [name for index, name in enumerate(names) if name != names[index - 1]]

    def item(text: str) -> list[str]:
        opens, closes = ["output_item.added", "content_part.added"], ["content_part.done", "output_item.done"]
        return [*opens, f"{text}.delta", f"{text}.done", *closes]

    assert once == ["created", "in_progress", *item("reasoning_text"), *item("output_text"), "completed"]


@pytest.mark.parametrize("engine", [{}, {"fail_in": Stage.WITNESS}], ids=["well", "failing"])
@STORY
async def test_sequence_numbers_count_from_zero(
    tokenizer: ChainTokenizer, story: Story, engine: dict[str, Any]
) -> None:
    events = await stream(tokenizer, story, engine=engine)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


@pytest.mark.parametrize("engine", [{}, {"fail_in": Stage.REVISED}], ids=["well", "failing"])
@pytest.mark.parametrize(
    "fields",
    [{}, {"reasoning": {"effort": "high", "summary": "auto"}}, {"top_logprobs": 2}],
    ids=["bare", "reasoning", "logprobs"],
)
@STORY
async def test_every_event_is_what_the_openai_sdk_declares(
    tokenizer: ChainTokenizer, story: Story, fields: dict[str, Any], engine: dict[str, Any]
) -> None:
    for event in await stream(tokenizer, story, engine=engine, **fields):
        read_back = KINDS[event["type"]].model_validate(event)
        assert read_back.model_dump(mode="json", exclude_unset=True) == event


async def test_the_first_events_show_a_response_in_progress(tokenizer: ChainTokenizer) -> None:
    created, in_progress, *_, last = await stream(tokenizer, REVISED)
    assert created["response"] == in_progress["response"]
    shown = created["response"]
    assert (shown["status"], shown["output"], shown["usage"], shown["reflection"]) == ("in_progress", [], None, None)
    assert set(shown) == set(last["response"])
    assert (shown["id"], shown["created_at"]) == (last["response"]["id"], last["response"]["created_at"])


async def test_a_stream_is_not_to_be_held_back_by_proxies(tokenizer: ChainTokenizer) -> None:
    response = await post(service_over(play(tokenizer, KEPT), tokenizer), PATH, asking(stream=True))
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"


@pytest.mark.parametrize("chunk_size", [1, 7])
@pytest.mark.parametrize("stage", list(Stage))
async def test_a_failure_during_a_stream_is_its_last_event(
    tokenizer: ChainTokenizer, stage: Stage, chunk_size: int
) -> None:
    events = await stream(tokenizer, REVISED, engine={"fail_in": stage, "chunk_size": chunk_size})
    last = events[-1]
    assert (last["type"], last["response"]["status"]) == ("response.failed", "failed")
    error = last["response"]["error"]
    assert (error["code"], error["type"]) == ("server_error", "engine_error")
    assert "fails here" in error["message"]
    assert (last["response"]["usage"], last["response"]["reflection"]) == (None, None)
    assert [event["type"] for event in events].count("response.failed") == 1
    assert not {"response.completed", "response.incomplete"} & {event["type"] for event in events}


async def test_a_failed_response_shows_what_was_told_as_incomplete(tokenizer: ChainTokenizer) -> None:
    events = await stream(tokenizer, REVISED, engine={"fail_in": Stage.WITNESS})
    (reasoning,) = events[-1]["response"]["output"]
    assert reasoning["status"] == "incomplete"
    assert [{**item, "status": "incomplete"} for item in folded(events)] == [reasoning]


@pytest.mark.parametrize("stage", list(Stage))
async def test_a_failure_of_a_whole_reply_is_500(tokenizer: ChainTokenizer, stage: Stage) -> None:
    response = await post(service_over(play(tokenizer, REVISED, fail_in=stage), tokenizer), PATH, asking())
    assert (response.status_code, response.json()["error"]["code"]) == (500, "engine_error")


async def visit(service: Service, body: dict[str, Any], *, left: Condition, reads: Condition = lambda: True) -> None:
    """Ask as a client who takes what is sent while `reads()`, and is gone once `left()`."""
    coming: list[dict[str, Any]] = [{"type": "http.request", "body": json.dumps(body).encode()}]

    async def receive() -> dict[str, Any]:
        if coming:
            return coming.pop()
        await until(left)
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        if not reads():
            await asyncio.Event().wait()

    scope = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "http_version": "1.1"}
    await build_app(service)({**scope, "headers": [(b"content-type", b"application/json")]}, receive, send)


def cancelled(service: Service) -> float | None:
    labels = {"model": MODEL, "outcome": "cancelled"}
    return service.metrics.registry.get_sample_value("tear_reflections_total", labels)


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("stage", list(Stage))
async def test_a_client_who_leaves_stops_the_engines_work(
    tokenizer: ChainTokenizer, stage: Stage, streamed: bool
) -> None:
    engine = play(tokenizer, REVISED, hang_in=stage)
    service = service_over(engine, tokenizer)
    await visit(service, asking(stream=streamed), left=lambda: engine.reached[-1:] == [stage])
    assert engine.closed == [each.id for each in engine.asked]
    assert cancelled(service) == 1


async def test_a_client_who_leaves_without_reading_stops_the_engines_work(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED)
    service = service_over(engine, tokenizer)
    body = asking(stream=True)
    await visit(service, body, left=lambda: bool(engine.reached), reads=lambda: not engine.reached)
    assert engine.closed == [each.id for each in engine.asked]
    assert cancelled(service) == 1


# The whole reply


async def test_a_whole_reply_is_a_reasoning_item_then_a_message(tokenizer: ChainTokenizer) -> None:
    reply = await ask(tokenizer, REVISED)
    assert (reply["object"], reply["status"], reply["model"]) == ("response", "completed", MODEL)
    assert (reply["error"], reply["incomplete_details"]) == (None, None)
    reasoning, message = reply["output"]
    assert reasoning == {
        "id": reasoning["id"],
        "type": "reasoning",
        "status": "completed",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": reasoning["content"][0]["text"]}],
    }
    assert reasoning["content"][0]["text"].startswith(f"Draft: {DRAFT}\nWho:  a beginner\nImpact: ")
    assert message == {
        "id": message["id"],
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": ANSWER, "annotations": [], "logprobs": []}],
    }
    assert [item["id"].split("_")[0] for item in reply["output"]] == ["rs", "msg"]


@STORY
async def test_a_whole_reply_is_what_the_openai_sdk_declares(tokenizer: ChainTokenizer, story: Story) -> None:
    reply = await ask(tokenizer, story, instructions="Be brief.", metadata={"a": "b"})
    read_back = openai_types.Response.model_validate(reply)
    assert read_back.model_dump(mode="json", exclude_unset=True) == reply
    assert read_back.output_text == reply["reflection"]["answer"]


async def test_the_reflection_is_the_chains_own_object(tokenizer: ChainTokenizer) -> None:
    shown = (await ask(tokenizer, REVISED))["reflection"]
    reflection = load_reflection(httpx.Response(200, json=shown).content)
    assert (reflection.draft, reflection.answer, reflection.adapter) == (DRAFT, ANSWER, ADAPTER)


async def test_what_was_asked_for_is_repeated(tokenizer: ChainTokenizer) -> None:
    asked: dict[str, Any] = {
        "instructions": "Be brief.",
        "max_output_tokens": 300,
        "temperature": 0.25,
        "top_p": 0.5,
        "metadata": {"topic": "piano 漢字"},
        "reasoning": {"effort": "low", "summary": None},
    }
    reply = await ask(tokenizer, KEPT, **asked)
    assert {name: reply[name] for name in asked} == asked


async def test_what_was_not_asked_for_is_shown_as_it_is(tokenizer: ChainTokenizer) -> None:
    reply = await ask(tokenizer, KEPT)
    assert (reply["temperature"], reply["top_p"], reply["max_output_tokens"]) == (0.3, 1.0, None)
    assert (reply["metadata"], reply["instructions"], reply["tools"]) == ({}, None, [])


@pytest.mark.parametrize("store", [True, False, None])
async def test_nothing_is_ever_stored_and_the_reply_says_so(tokenizer: ChainTokenizer, store: bool | None) -> None:
    assert (await ask(tokenizer, KEPT, store=store))["store"] is False


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
async def test_a_request_id_is_repeated(tokenizer: ChainTokenizer, streamed: bool) -> None:
    service = service_over(play(tokenizer, KEPT), tokenizer)
    response = await post(service, PATH, asking(stream=streamed), headers={"x-request-id": "abc"})
    assert response.headers["x-request-id"] == "abc"
    assert '"id":"resp_abc"' in response.text


@pytest.mark.parametrize(
    ("story", "fields", "status"),
    [
        ("kept", {}, "completed"),
        ("endless-revision", {}, "incomplete"),
        ("endless-draft", {}, "completed"),
        ("endless-witness", {}, "completed"),
        ("endless-draft", {"max_output_tokens": 40}, "incomplete"),
    ],
    ids=["kept", "cut-revision", "cut-draft-revised", "cut-witness", "cut-answer"],
)
async def test_a_response_is_incomplete_when_its_answer_was_cut(
    tokenizer: ChainTokenizer, story: str, fields: dict[str, Any], status: str
) -> None:
    reply = await ask(tokenizer, STORIES[story], **fields)
    details = {"reason": "max_output_tokens"} if status == "incomplete" else None
    assert (reply["status"], reply["incomplete_details"]) == (status, details)
    assert reply["output"][-1]["status"] == status
    assert [item["status"] for item in reply["output"][:-1]] == ["completed"] * (len(reply["output"]) - 1)
    assert (reply["completed_at"] is None) == (status == "incomplete")


async def test_an_answer_without_a_word_is_a_message_too(tokenizer: ChainTokenizer) -> None:
    reply = await ask(tokenizer, {**KEPT, Stage.DRAFT: ("</s>",)}, model=f"{MODEL}-direct")
    assert texts(reply) == {"message": ""}


# Usage


@pytest.mark.parametrize(
    ("name", "fields", "answered"),
    [
        ("revised", {}, Stage.REVISED),
        ("kept", {}, Stage.DRAFT),
        ("empty-revision", {}, Stage.DRAFT),
        ("kept", {"model": f"{MODEL}-direct"}, Stage.DRAFT),
    ],
    ids=["revised", "kept", "empty-revision", "direct"],
)
async def test_usage_counts_the_input_once_and_everything_generated(
    tokenizer: ChainTokenizer, name: str, fields: dict[str, Any], answered: Stage
) -> None:
    engine = play(tokenizer, STORIES[name], cached_tokens=4)
    response = await post(service_over(engine, tokenizer), PATH, asking(**fields))
    written = {stage: len(script) for stage, script in engine.scripts.items()}
    generated = sum(written[stage] for stage in set(engine.reached))
    asked = len(engine.asked[0].prompt)
    assert response.json()["usage"] == {
        "input_tokens": asked,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": generated,
        "output_tokens_details": {"reasoning_tokens": generated - written[answered]},
        "total_tokens": asked + generated,
    }


async def test_the_limit_is_on_all_that_is_generated(tokenizer: ChainTokenizer) -> None:
    reply = await ask(tokenizer, STORIES["endless-draft"], max_output_tokens=40)
    assert reply["usage"]["output_tokens"] == 40


# What can be asked for


@pytest.mark.parametrize(
    "fields",
    [{"model": f"{MODEL}-direct"}, {"reasoning": {"effort": "none"}}, {"reflection": {"mode": "off"}}],
    ids=["direct-model", "no-effort", "mode-off"],
)
async def test_an_answer_without_reflection_has_no_reasoning_item(
    tokenizer: ChainTokenizer, fields: dict[str, Any]
) -> None:
    reply = await ask(tokenizer, REVISED, **fields)
    assert texts(reply) == {"message": DRAFT}
    assert (reply["reflection"]["status"], reply["reflection"]["decision"]) == ("bypassed", None)


async def test_hidden_reasoning_is_reflected_all_the_same(tokenizer: ChainTokenizer) -> None:
    reply = await ask(tokenizer, REVISED, include_reasoning=False)
    assert (texts(reply), reply["reflection"]) == ({"message": ANSWER}, None)


@pytest.mark.parametrize("chunk_size", [1, 7])
@STORY
async def test_hidden_reasoning_leaks_into_no_event(tokenizer: ChainTokenizer, story: Story, chunk_size: int) -> None:
    events = await stream(tokenizer, story, engine={"chunk_size": chunk_size}, include_reasoning=False)
    assert [event for event in events if "reasoning_text" in json.dumps(event)] == []
    answer = texts(events[-1]["response"])["message"]
    if not answer.startswith(DRAFT):
        assert DRAFT not in json.dumps(events)


async def test_a_supplied_draft_is_witnessed(tokenizer: ChainTokenizer) -> None:
    reply = await ask(tokenizer, REVISED, reflection={"draft": "No talent."})
    assert (reply["reflection"]["draft"], texts(reply)["message"]) == ("No talent.", ANSWER)
    assert texts(reply)["reasoning"].startswith("Draft: No talent.\nWho: ")


@pytest.mark.parametrize(("own", "operators", "answer"), [(0.0, 1.0, ANSWER), (1.0, 0.0, DRAFT), (None, 0.0, ANSWER)])
async def test_a_callers_threshold_goes_over_the_operators(
    tokenizer: ChainTokenizer, own: float | None, operators: float, answer: str
) -> None:
    # The scripted engine gives both decisions the same probability.
    service = service_over(play(tokenizer, REVISED), tokenizer, revise_threshold=operators)
    response = await post(service, PATH, asking(reflection={"revise_threshold": own}))
    assert texts(response.json())["message"] == answer


@pytest.mark.parametrize(
    ("fields", "name", "value"),
    [
        ({}, "temperature", 0.3),
        ({"temperature": 0}, "temperature", 0),
        ({"top_p": 0.5}, "top_p", 0.5),
        ({"seed": -3}, "seed", -3),
    ],
    ids=["default", "greedy", "top_p", "seed"],
)
async def test_sampling_reaches_every_stage(
    tokenizer: ChainTokenizer, fields: dict[str, Any], name: str, value: float
) -> None:
    engine = play(tokenizer, REVISED)
    await post(service_over(engine, tokenizer), PATH, asking(**fields))
    assert [getattr(each.sampling, name) for each in engine.asked] == [value] * len(engine.asked)


@pytest.mark.parametrize(
    "fields",
    [
        {"user": "u", "service_tier": "auto", "truncation": "auto", "stream_options": {"include_obfuscation": False}},
        {"tools": [], "tool_choice": "auto", "text": {"format": {"type": "text"}, "verbosity": "low"}},
        {"include": ["reasoning.encrypted_content"], "background": False, "top_logprobs": 0},
        {"model": None, "instructions": None, "metadata": None, "reasoning": None, "text": None, "stream": None},
        {"previous_response_id": None, "conversation": None, "prompt": None, "tools": None, "max_output_tokens": None},
        {"reasoning": {"effort": "high", "summary": "detailed"}},
        {"instructions": ""},
    ],
    ids=["unknown", "harmless", "include", "null", "null-state", "effort", "no-instructions"],
)
async def test_fields_that_change_nothing_are_accepted(tokenizer: ChainTokenizer, fields: dict[str, Any]) -> None:
    plain, engine = play(tokenizer, REVISED), play(tokenizer, REVISED)
    await post(service_over(plain, tokenizer), PATH, asking())
    response = await post(service_over(engine, tokenizer), PATH, asking(**fields))
    assert texts(response.json())["message"] == ANSWER
    assert [each.prompt for each in engine.asked] == [each.prompt for each in plain.asked]


EARLIER = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "…"}],
    "content": [{"type": "reasoning_text", "text": "Draft: …"}],
    "encrypted_content": None,
    "status": "completed",
}
ANSWERED = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Two", "annotations": [], "logprobs": []}],
}


@pytest.mark.parametrize(
    ("fields", "messages"),
    [
        (asking([user(ASKED)]), [user(ASKED)]),
        (asking(ASKED), [user(ASKED)]),
        (
            asking([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": t} for t in "ab"]}]),
            [user("a\nb")],
        ),
        (
            asking([user("One"), EARLIER, ANSWERED, user("Three")]),
            [user("One"), {"role": "assistant", "content": "Two"}, user("Three")],
        ),
        (asking(instructions="Be brief."), [{"role": "system", "content": "Be brief."}, user(ASKED)]),
        (
            asking([{"role": "developer", "content": "Be kind."}, user(ASKED)], instructions="Be brief."),
            [{"role": "system", "content": "Be brief.\n\nBe kind."}, user(ASKED)],
        ),
        (
            asking([{"role": "system", "content": "Be kind."}, user(ASKED)]),
            [{"role": "system", "content": "Be kind."}, user(ASKED)],
        ),
    ],
    ids=["items", "string", "parts", "earlier-turns", "instructions", "instructions-and-developer", "system"],
)
async def test_input_is_the_conversation_that_a_chat_request_would_have(
    tokenizer: ChainTokenizer, fields: dict[str, Any], messages: list[dict[str, Any]]
) -> None:
    engine, chat = play(tokenizer, KEPT), play(tokenizer, KEPT)
    response = await post(service_over(engine, tokenizer), PATH, fields)
    assert response.status_code == 200, response.text
    await post(service_over(chat, tokenizer), "/v1/chat/completions", {"messages": messages})
    assert engine.asked[0].prompt == chat.asked[0].prompt


async def test_the_output_of_one_turn_is_input_of_the_next(tokenizer: ChainTokenizer) -> None:
    output = (await ask(tokenizer, REVISED))["output"]
    engine = play(tokenizer, KEPT)
    response = await post(service_over(engine, tokenizer), PATH, asking([user("One"), *output, user("Two")]))
    assert response.status_code == 200, response.text
    prompt = tokenizer.decode(engine.asked[0].prompt)
    assert (ANSWER in prompt, DRAFT in prompt) == (True, False)


@pytest.mark.parametrize("marker", [*TOKEN_NAMES, "</s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]"])
async def test_a_marker_in_any_field_leaves_the_prompts_structure_as_it_was(
    tokenizer: ChainTokenizer, marker: str
) -> None:
    structures = []
    for said in (marker, "nobody"):
        turns = [{"role": role, "content": f"so {said} spoke"} for role in ("system", "user", "assistant", "user")]
        body = asking(turns, instructions=f"so {said} taught", reflection={"draft": f"so {said} wrote"})
        engine = play(tokenizer, REVISED)
        await post(service_over(engine, tokenizer), PATH, body)
        assert f"so {said} taught" in tokenizer.decode(engine.asked[0].prompt)
        structures.append([[t for t in each.prompt if t in tokenizer.control_ids] for each in engine.asked])
    assert structures[0] == structures[1]


# What is refused


SYSTEM = {"role": "system", "content": "Be kind."}
IMAGE = {"role": "user", "content": [{"type": "input_text", "text": "Look"}, {"type": "input_image", "image_url": "…"}]}
CALL = {"type": "function_call_output", "call_id": "c", "output": "4"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": 5}, "input"),
        ({"input": "\ud800"}, "input"),
        ({"input": []}, "input"),
        ({"input": [EARLIER]}, "input"),
        ({"input": [user(" ")]}, "input[0]"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": 5}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": "\ud800"}]}, "input[0].content"),
        ({"input": [{"content": "a"}]}, "input[0].role"),
        ({"input": [{"role": "tool", "content": "a"}]}, "input[0].role"),
        ({"input": [{"role": "messages[9]", "content": "a"}]}, "input[0].role"),
        ({"input": [user("a"), EARLIER, user("b")]}, "input[2]"),
        ({"input": [user("a"), EARLIER, user("b")], "instructions": "Be brief."}, "input[2]"),
        ({"input": [user("a"), EARLIER, ANSWERED]}, "input"),
        ({"input": [user("a"), ANSWERED, SYSTEM, user("b")]}, "input[2]"),
        ({"input": [{**SYSTEM, "content": ""}, user("b")], "instructions": "Be brief."}, "input[0]"),
        ({"input": [IMAGE]}, "input[0].content[1]"),
        ({"input": [EARLIER, IMAGE], "instructions": "Be brief."}, "input[1].content[1]"),
        ({"input": [user("a"), CALL]}, "input[1].type"),
        ({"input": "word " * 5000}, "input"),
        ({"input": [user("word " * 5000)]}, "input"),
        ({"instructions": ["Be brief."]}, "instructions"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"background": True}, "background"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"reflection": {"colour": "red"}}, "reflection.colour"),
        ({"reflection": {"draft": " "}}, "reflection.draft"),
        ({"reflection": {"draft": "x"}, "max_output_tokens": 20}, "max_output_tokens"),
        ({"reflection": {"draft": "x"}, "reasoning": {"effort": "none"}}, "reflection.draft"),
    ],
    ids=[
        *("empty-string", "number", "half-a-pair", "no-items", "reasoning-alone", "blank", "no-content"),
        *("content-number", "content-half-a-pair", "no-role", "tool-message", "role-like-a-path", "two-users"),
        *("two-users-instructed", "assistant-last", "late-system", "blank-system", "image", "image-instructed", "call"),
        *("too-long", "too-long-item", "instructions-list", "previous", "conversation", "conversation-object"),
        *("prompt", "background", "tools", "logprobs"),
        *("no-tokens", "temperature", "metadata", "extension-field", "blank-draft", "draft-without-room"),
        *("draft-direct",),
    ],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
async def test_bad_input_is_refused_naming_the_field_before_anything_is_generated(
    tokenizer: ChainTokenizer, fields: dict[str, Any], param: str, streamed: bool
) -> None:
    engine = play(tokenizer, KEPT)
    body = json.dumps(asking() | fields | {"stream": streamed})
    response = await post(
        service_over(engine, tokenizer), PATH, None, content=body, headers={"content-type": "application/json"}
    )
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert (response.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert error["message"].endswith((".", "!"))
    assert "max_completion_tokens" not in error["message"]
    assert engine.asked == []


async def test_a_message_at_fault_is_named_in_the_sentence_too(tokenizer: ChainTokenizer) -> None:
    body = asking([user("a"), EARLIER, user("b")], instructions="Be brief.")
    error = (await post(service_over(play(tokenizer, KEPT), tokenizer), PATH, body)).json()["error"]
    assert error["message"].startswith("input[2] is from user, expected assistant.")


@pytest.mark.parametrize("model", ["gpt-5", ""])
async def test_an_unknown_model_is_not_found(tokenizer: ChainTokenizer, model: str) -> None:
    error = await post(service_over(play(tokenizer, KEPT), tokenizer), PATH, asking(model=model))
    assert (error.status_code, error.json()["error"]["code"]) == (404, "model_not_found")


async def test_the_api_description_says_that_input_may_be_a_string_or_items(tokenizer: ChainTokenizer) -> None:
    described = build_app(service_over(play(tokenizer, KEPT), tokenizer)).openapi()
    kinds = described["components"]["schemas"]["ResponseBody"]["properties"]["input"]["anyOf"]
    assert [kind["type"] for kind in kinds] == ["string", "array"]
