"""What OpenAI's clients ask for beside the text: log-probabilities and JSON by a schema."""

from __future__ import annotations

import json
import math
from typing import Any

import httpx
import pytest
from conformance.recorded import CHAT, MESSAGES, Target, ask, stream
from conformance.wire import choices, deltas

SCHEMA = {
    "type": "object",
    "properties": {"kind": {"type": "boolean"}, "weight": {"enum": [-1, 0, 1]}},
    "required": ["kind", "weight"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": SCHEMA}}
BOTH = pytest.mark.parametrize("is_direct", [True, False], ids=["direct", "reflected"])


@pytest.fixture
def scored(http: httpx.Client, target: Target, is_direct: bool) -> Any:
    """An answer with the three likeliest tokens in each place, streamed and whole."""
    model = target.direct if is_direct else target.model
    body = {"model": model, "messages": MESSAGES, "temperature": 0, "logprobs": True, "top_logprobs": 3}
    return ask(http, body)["choices"][0], stream(http, CHAT, {**body, "stream": True}).chunks()


@BOTH
def test_scored_tokens_are_the_content_byte_for_byte(scored: Any) -> None:
    whole, _ = scored
    entries = whole["logprobs"]["content"]
    assert bytes(byte for entry in entries for byte in entry["bytes"]).decode() == whole["message"]["content"] != ""
    assert whole["logprobs"]["refusal"] is None


@BOTH
def test_scores_are_possible_and_the_likeliest_come_first(scored: Any) -> None:
    whole, _ = scored
    for entry in whole["logprobs"]["content"]:
        told = [each["logprob"] for each in entry["top_logprobs"]]
        assert 1 <= len(told) <= 3
        assert told == sorted(told, reverse=True)
        assert entry["logprob"] <= 0
        assert sum(map(math.exp, told)) <= 1.01


@BOTH
def test_scores_are_streamed_with_their_content(scored: Any) -> None:
    _, chunks = scored
    for choice in choices(chunks):
        if choice["logprobs"] is not None:
            assert choice["delta"].get("content")
    content = "".join(delta.get("content", "") for delta in deltas(chunks))
    entries = [entry for choice in choices(chunks) if choice["logprobs"] for entry in choice["logprobs"]["content"]]
    assert bytes(byte for entry in entries for byte in entry["bytes"]).decode() == content


@BOTH
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_an_answer_is_held_to_its_schema(http: httpx.Client, target: Target, is_direct: bool, streamed: bool) -> None:
    model = target.direct if is_direct else target.model
    body = {"model": model, "messages": MESSAGES, "seed": 1, "response_format": FORMAT}
    if streamed:
        chunks = stream(http, CHAT, {**body, "stream": True}).chunks()
        content = "".join(delta.get("content", "") for delta in deltas(chunks))
        finish = choices(chunks)[-1]["finish_reason"]
    else:
        [choice] = ask(http, body)["choices"]
        content, finish = choice["message"]["content"], choice["finish_reason"]
    verdict = json.loads(content)
    assert finish == "stop"
    assert verdict.keys() == {"kind", "weight"}
    assert verdict["kind"] in (True, False)
    assert verdict["weight"] in (-1, 0, 1)


def test_a_reflection_with_a_format_says_what_was_written_for_it(http: httpx.Client, target: Target) -> None:
    body = {"model": target.model, "messages": MESSAGES, "seed": 1, "response_format": FORMAT}
    message = ask(http, body)["choices"][0]["message"]
    assert message["reflection"]["answer"] == message["content"] != message["reflection"]["draft"]
    assert message["reflection"]["stages"][-1]["stage"] == "revised"


@pytest.mark.parametrize(
    ("expose", "shown"),
    [([], set()), (["draft"], {"draft"}), (["witness"], {"witness"}), (["draft", "witness"], {"draft", "witness"})],
    ids=["neither", "draft", "witness", "both"],
)
def test_what_is_exposed_is_what_is_shown(
    http: httpx.Client, target: Target, expose: list[str], shown: set[str]
) -> None:
    body = {"model": target.model, "messages": MESSAGES, "seed": 1, "reflection": {"expose": expose}}
    reflection = ask(http, body)["choices"][0]["message"].get("reflection") or {}
    assert {name for name in ("draft", "witness") if reflection.get(name) is not None} == shown


def test_usage_can_be_told_with_every_chunk(http: httpx.Client, target: Target) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    body = {"model": target.direct, "messages": MESSAGES, "max_tokens": 8, "stream": True, "stream_options": options}
    told = [chunk["usage"]["completion_tokens"] for chunk in stream(http, CHAT, body).chunks()]
    assert told == sorted(told)
    assert told[-1] == 8
