"""Answers held to a JSON schema by real vLLM, through the official SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import jsonschema
import openai
import pytest
from live.conftest import LiveServer
from pydantic import BaseModel, ConfigDict

QUESTION: list[Any] = [{"role": "user", "content": "We buried my uncle on Friday. I can't go into his shed."}]
MODELS = pytest.mark.parametrize("model", ["tear-nano", "tear-nano-direct"])


class Mood(BaseModel):
    """What a caller wants to know; nothing in it lets a small model write for ever."""

    model_config = ConfigDict(extra="forbid")

    mood: Literal["glad", "sad", "quiet"]
    certain: bool
    steps: list[Literal["wait", "write", "visit"]]


SCHEMA = {
    "type": "object",
    "properties": {
        "mood": {"enum": ["glad", "sad", "quiet"]},
        "weight": {"type": "integer", "minimum": -3, "maximum": 3},
        "said": {"type": "string", "maxLength": 40},
        "steps": {"type": "array", "items": {"enum": ["wait", "write"]}, "minItems": 1, "maxItems": 3},
    },
    "required": ["mood", "weight", "said", "steps"],
    "additionalProperties": False,
}
WANTED: Any = {"type": "json_schema", "json_schema": {"name": "mood", "schema": SCHEMA, "strict": True}}


@pytest.fixture(scope="module")
def client(live: LiveServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0) as sdk:
        yield sdk


@MODELS
@pytest.mark.parametrize("seed", range(4))
def test_an_answer_fits_its_schema_and_ends(client: openai.OpenAI, model: str, seed: int) -> None:
    reply = client.chat.completions.create(
        model=model, messages=QUESTION, response_format=WANTED, seed=seed, temperature=1.5
    )
    choice = reply.choices[0]
    jsonschema.validate(json.loads(choice.message.content or ""), SCHEMA)
    reflection = (choice.message.model_extra or {})["reflection"]
    assert choice.finish_reason == "stop"
    assert "broken_format" not in reflection["problems"]
    if model == "tear-nano":
        assert (reflection["answer_stage"], len(reflection["stages"])) == ("revised", 3)
        assert reflection["draft"] in (choice.message.model_extra or {})["reasoning"]


def test_a_kept_draft_is_said_again_and_the_decision_stays(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model="tear-nano", messages=QUESTION, response_format=WANTED, extra_body={"reflection": {"revise_threshold": 1}}
    )
    reflection = (reply.choices[0].message.model_extra or {})["reflection"]
    assert reflection["revise_probability"] < 1
    assert reflection["decision"] == "keep"
    assert reflection["outcome"] in ("formatted", "malformed")
    jsonschema.validate(json.loads(reflection["answer"]), SCHEMA)


def test_the_sdk_reads_an_answer_as_a_model_of_the_callers_own(client: openai.OpenAI) -> None:
    reply = client.chat.completions.parse(
        model="tear-nano", messages=QUESTION, response_format=Mood, seed=5, max_completion_tokens=900
    )
    choice = reply.choices[0]
    if choice.finish_reason == "stop":  # a list without an end is the model's own affair
        assert isinstance(choice.message.parsed, Mood)


@pytest.mark.parametrize("seed", [1, 2])
def test_any_object_is_an_object(client: openai.OpenAI, seed: int) -> None:
    reply = client.chat.completions.create(
        model="tear-nano", messages=QUESTION, response_format={"type": "json_object"}, seed=seed
    )
    choice = reply.choices[0]
    content = choice.message.content or ""
    assert content.startswith("{")
    if choice.finish_reason == "stop":
        assert isinstance(json.loads(content), dict)


@MODELS
def test_a_stream_says_what_the_whole_reply_says(client: openai.OpenAI, model: str) -> None:
    same: Any = {"model": model, "messages": QUESTION, "seed": 7, "response_format": WANTED, "logprobs": True}
    whole = client.chat.completions.create(**same).choices[0]
    with client.chat.completions.stream(**same) as stream:
        for _ in stream:
            pass
        streamed = stream.get_final_completion().choices[0]
    assert streamed.message.content == whole.message.content
    assert whole.logprobs is not None
    tokens = whole.logprobs.content or []
    assert bytes(byte for each in tokens for byte in each.bytes or ()).decode() == whole.message.content


def test_an_answer_cut_short_says_so(client: openai.OpenAI) -> None:
    endless: Any = {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"type": "array", "items": {"enum": ["a"]}, "minItems": 10_000}},
    }
    reply = client.chat.completions.create(
        model="tear-nano-direct", messages=QUESTION, response_format=endless, max_completion_tokens=64
    )
    choice = reply.choices[0]
    assert (choice.finish_reason, (choice.message.content or "")[:4]) == ("length", '["a"')
    assert (choice.message.model_extra or {})["reflection"]["problems"] == ["cut_draft"]


def test_a_response_is_held_to_its_format_too(client: openai.OpenAI) -> None:
    response = client.responses.create(
        model="tear-nano",
        input=QUESTION[0]["content"],
        text={"format": {"type": "json_schema", "name": "mood", "schema": SCHEMA, "strict": True}},
        extra_body={"seed": 2},
    )
    assert response.status == "completed"
    jsonschema.validate(json.loads(response.output_text), SCHEMA)


@pytest.mark.parametrize(
    "schema",
    [{"type": "strin"}, {"oneOf": [{"type": "string"}, {"const": "x"}]}, {"type": "string", "pattern": "("}],
    ids=["type", "one-of", "pattern"],
)
def test_a_schema_that_the_engine_cannot_hold_to_is_a_bad_request(
    client: openai.OpenAI, schema: dict[str, Any]
) -> None:
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="tear-nano", messages=QUESTION, response_format=wanted)
    assert caught.value.param == "response_format.json_schema.schema"
