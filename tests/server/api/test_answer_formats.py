from __future__ import annotations

import json
from typing import Any

import pytest
from scripted import ScriptedEngine
from stories import DRAFT, MODEL, SCENE, Story, asking, play, post, service_over, sse_data

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Stage
from tear_server.json_format import ANY_OBJECT

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
ANSWER = '{"mood":"glad"}'
KEPT: Story = {
    Stage.DRAFT: (DRAFT, "<witness>"),
    Stage.WITNESS: (*SCENE, "<keep>"),
    Stage.REVISED: (ANSWER, "</s>"),
}
SCHEMA = {"type": "object", "properties": {"mood": {"enum": ["glad", "sad"]}}, "required": ["mood"]}
NAMED = {"name": "mood", "description": "How she is.", "schema": SCHEMA, "strict": True}
STREAMED = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])


def asked(engine: ScriptedEngine) -> list[str | None]:
    return [each.json_schema for each in engine.asked]


@pytest.mark.parametrize(
    ("wanted", "schema"),
    [
        ({"type": "json_schema", "json_schema": NAMED}, SCHEMA),
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": False}}, SCHEMA),
        ({"type": "json_object"}, json.loads(ANY_OBJECT)),
    ],
    ids=["schema", "not-strict", "object"],
)
@STREAMED
async def test_a_format_reaches_the_stage_that_writes_the_answer(
    tokenizer: ChainTokenizer, wanted: dict[str, Any], schema: dict[str, Any], streamed: bool
) -> None:
    engine = play(tokenizer, KEPT)
    response = await post(service_over(engine, tokenizer), CHAT, asking(response_format=wanted, stream=streamed))
    assert response.status_code == 200, response.text
    *before, last = asked(engine)
    assert (before, json.loads(last or "")) == ([None, None], schema)


async def test_the_content_is_the_formatted_answer_and_the_draft_stays_reasoning(tokenizer: ChainTokenizer) -> None:
    service = service_over(play(tokenizer, KEPT), tokenizer)
    reply = (await post(service, CHAT, asking(response_format={"type": "json_object"}))).json()
    [choice] = reply["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (ANSWER, "stop")
    assert choice["message"]["reasoning"].startswith(f"Draft: {DRAFT}\n")
    reflection = choice["message"]["reflection"]
    assert (reflection["decision"], reflection["outcome"], reflection["answer_stage"]) == (
        *("keep", "formatted", "revised"),
    )
    written = len(tokenizer.encode(ANSWER)) + 1
    usage = reply["usage"]
    assert usage["completion_tokens"] - usage["completion_tokens_details"]["reasoning_tokens"] == written


async def test_a_streamed_answer_in_a_format_comes_in_parts(tokenizer: ChainTokenizer) -> None:
    service = service_over(play(tokenizer, KEPT), tokenizer)
    body = asking(response_format={"type": "json_object"}, stream=True)
    parts = [chunk["choices"][0]["delta"].get("content") for chunk in sse_data(await post(service, CHAT, body))[:-1]]
    assert "".join(filter(None, parts)) == ANSWER
    assert len([part for part in parts if part]) > 3


async def test_the_direct_model_writes_in_the_format_at_once(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, {**KEPT, Stage.DRAFT: (ANSWER, "</s>")})
    body = asking(model=f"{MODEL}-direct", response_format={"type": "json_object"})
    reply = (await post(service_over(engine, tokenizer), CHAT, body)).json()
    assert (reply["choices"][0]["message"]["content"], asked(engine)) == (ANSWER, [ANY_OBJECT])


async def test_an_answer_cut_short_in_its_format_says_length(tokenizer: ChainTokenizer) -> None:
    service = service_over(play(tokenizer, {**KEPT, Stage.REVISED: ('{"mood":"' + "so " * 400,)}), tokenizer)
    [choice] = (await post(service, CHAT, asking(response_format={"type": "json_object"}))).json()["choices"]
    assert choice["finish_reason"] == "length"


async def test_log_probabilities_are_those_of_the_formatted_answer(tokenizer: ChainTokenizer) -> None:
    service = service_over(play(tokenizer, KEPT), tokenizer)
    body = asking(response_format={"type": "json_object"}, logprobs=True)
    [choice] = (await post(service, CHAT, body)).json()["choices"]
    assert bytes(b for entry in choice["logprobs"]["content"] for b in entry["bytes"]).decode() == ANSWER


@pytest.mark.parametrize("wanted", [None, {"type": "text"}], ids=["none", "text"])
async def test_text_is_no_format(tokenizer: ChainTokenizer, wanted: dict[str, Any] | None) -> None:
    engine = play(tokenizer, KEPT)
    reply = (await post(service_over(engine, tokenizer), CHAT, asking(response_format=wanted))).json()
    assert reply["choices"][0]["message"]["content"] == DRAFT
    assert set(asked(engine)) == {None}


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ({"type": "json_schema", **NAMED}, {"type": "json_schema", **NAMED}),
        (
            {"type": "json_schema", "name": "n", "schema": SCHEMA},
            {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": None, "description": None},
        ),
        ({"type": "json_object"}, {"type": "json_object"}),
        ({"type": "text"}, {"type": "text"}),
    ],
    ids=["schema", "bare-schema", "object", "text"],
)
@STREAMED
async def test_a_response_repeats_the_format_that_it_was_asked_for(
    tokenizer: ChainTokenizer, wanted: dict[str, Any], shown: dict[str, Any], streamed: bool
) -> None:
    engine = play(tokenizer, KEPT)
    body = {"input": "How is she?", "text": {"format": wanted}, "stream": streamed}
    response = await post(service_over(engine, tokenizer), RESPONSES, body)
    assert response.status_code == 200, response.text
    events = response.text.rstrip().split("\n\n")
    reply = json.loads(events[-1].partition("data: ")[2])["response"] if streamed else response.json()
    assert reply["text"]["format"] == shown
    answer = reply["output"][-1]["content"][0]["text"]
    assert (answer, asked(engine)[-1] is None) == ((DRAFT, True) if wanted == {"type": "text"} else (ANSWER, False))


BAD = {"type": "strin"}


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        (CHAT, {"response_format": {"type": "grammar"}}, "response_format.type"),
        (CHAT, {"response_format": {}}, "response_format.type"),
        (CHAT, {"response_format": "json"}, "response_format"),
        (CHAT, {"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            *(CHAT, {"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}}),
            "response_format.json_schema.schema",
        ),
        (
            *(CHAT, {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": BAD}}}),
            "response_format.json_schema.schema",
        ),
        (
            *(CHAT, {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": "{}"}}}),
            "response_format.json_schema.schema",
        ),
        (RESPONSES, {"text": {"format": {"type": "grammar"}}}, "text.format.type"),
        (RESPONSES, {"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        (RESPONSES, {"text": {"format": {"type": "json_schema", "name": "n", "schema": BAD}}}, "text.format.schema"),
    ],
    ids=[
        *("chat-type", "chat-no-type", "chat-string", "chat-no-json-schema", "chat-no-schema", "chat-bad-schema"),
        *("chat-string-schema", "responses-type", "responses-no-schema", "responses-bad-schema"),
    ],
)
@STREAMED
async def test_a_format_that_cannot_be_is_refused_before_anything_is_generated(
    tokenizer: ChainTokenizer, path: str, fields: dict[str, Any], param: str, streamed: bool
) -> None:
    engine = play(tokenizer, KEPT)
    body = (asking() if path == CHAT else {"input": "How is she?"}) | fields | {"stream": streamed}
    response = await post(service_over(engine, tokenizer), path, body)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (400, "invalid_request", param)
    assert engine.asked == []
