"""The `reflection` object of chat and responses, and the same options of `/v1/reflections`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from stories import ANSWER, DRAFT, LIMITS, REVISED, asking, play, post, service_over, sse_data

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Stage

CHAT, RESPONSES, REFLECTIONS = "/v1/chat/completions", "/v1/responses", "/v1/reflections"
PATHS = pytest.mark.parametrize("path", [CHAT, RESPONSES, REFLECTIONS])


def body(path: str, options: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """A request with these options, wherever they belong."""
    own = dict(options) if path == REFLECTIONS else {"reflection": dict(options)}
    return ({"input": "Am I any good?"} if path == RESPONSES else asking()) | own | fields


async def limits_asked(tokenizer: ChainTokenizer, path: str, options: Mapping[str, Any], **fields: Any) -> list[int]:
    """The token limit of each stage; without a course through all of them, which a penalty or a score prevents."""
    engine = play(tokenizer, REVISED)
    response = await post(service_over(engine, tokenizer), path, body(path, options, **fields))
    assert response.status_code == 200, response.text
    return [each.max_tokens for each in engine.asked]


@pytest.mark.parametrize(
    ("options", "draft", "witness"),
    [
        ({}, 128, 96),
        ({"max_draft_tokens": 20}, 20, 96),
        ({"max_witness_tokens": 50}, 128, 50),
        ({"max_draft_tokens": 128, "max_witness_tokens": 96}, 128, 96),
        ({"max_draft_tokens": None, "max_witness_tokens": None}, 128, 96),
    ],
    ids=["none", "draft", "witness", "all-that-is-granted", "null"],
)
async def test_a_stage_writes_no_more_than_was_allowed(
    tokenizer: ChainTokenizer, options: dict[str, Any], draft: int, witness: int
) -> None:
    assert (await limits_asked(tokenizer, CHAT, options, logprobs=True))[:2] == [draft, witness]


async def test_what_a_draft_may_not_write_is_the_revisions(tokenizer: ChainTokenizer) -> None:
    *_, plain = await limits_asked(tokenizer, CHAT, {}, logprobs=True, max_tokens=240)
    *_, capped = await limits_asked(tokenizer, CHAT, {"max_draft_tokens": 16}, logprobs=True, max_tokens=240)
    assert capped >= plain


@PATHS
async def test_a_capped_draft_is_cut_and_witnessed(tokenizer: ChainTokenizer, path: str) -> None:
    endless = {**REVISED, Stage.DRAFT: (DRAFT * 50,)}
    service = service_over(play(tokenizer, endless), tokenizer)
    reply = (await post(service, path, body(path, {"max_draft_tokens": 16}))).json()
    if path == CHAT:
        reply = reply["choices"][0]["message"]
    reflection = reply if path == REFLECTIONS else reply["reflection"]
    assert (reflection["stages"][0]["tokens"], reflection["problems"]) == (16, ["cut_draft"])


@PATHS
@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"max_draft_tokens": LIMITS.answer + 1}, "max_draft_tokens"),
        ({"max_witness_tokens": LIMITS.witness + 1}, "max_witness_tokens"),
        ({"max_draft_tokens": 1}, "max_draft_tokens"),
        ({"max_witness_tokens": 47}, "max_witness_tokens"),
        ({"draft": " "}, "draft"),
    ],
    ids=["draft-above", "witness-above", "draft-below", "witness-below", "blank-draft"],
)
async def test_a_bad_option_is_refused_by_the_name_that_it_has_there(
    tokenizer: ChainTokenizer, path: str, options: dict[str, Any], name: str
) -> None:
    engine = play(tokenizer, REVISED)
    response = await post(service_over(engine, tokenizer), path, body(path, options))
    error = response.json()["error"]
    written = name if path == REFLECTIONS else f"reflection.{name}"
    assert (response.status_code, error["param"], engine.asked) == (400, written, [])
    if name != "draft":
        assert error["message"].startswith(written)


async def test_a_refusal_says_what_is_granted(tokenizer: ChainTokenizer) -> None:
    service = service_over(play(tokenizer, REVISED), tokenizer)
    response = await post(service, CHAT, body(CHAT, {"max_witness_tokens": 900}))
    assert "at most 96" in response.json()["error"]["message"]


async def test_a_draft_may_be_as_long_as_a_request_allows_itself(tokenizer: ChainTokenizer) -> None:
    [draft, *_] = await limits_asked(tokenizer, CHAT, {"max_draft_tokens": 300}, max_tokens=900, logprobs=True)
    assert draft == 300


# What is shown


async def shown(tokenizer: ChainTokenizer, path: str, options: Mapping[str, Any], **fields: Any) -> tuple[str, Any]:
    """The reasoning and the reflection of a reply."""
    service = service_over(play(tokenizer, REVISED), tokenizer)
    response = await post(service, path, body(path, options, **fields))
    assert response.status_code == 200, response.text
    reply = response.json()
    if path == CHAT:
        message = reply["choices"][0]["message"]
        assert message["content"] == ANSWER
        return message.get("reasoning", ""), message.get("reflection")
    reasoning = [item["content"][0]["text"] for item in reply["output"] if item["type"] == "reasoning"]
    return "".join(reasoning), reply["reflection"]


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
@pytest.mark.parametrize(
    ("expose", "draft", "witness"),
    [
        (["draft", "witness"], True, True),
        (["draft"], True, False),
        (["witness"], False, True),
        (None, True, True),
    ],
    ids=["both", "draft", "witness", "null"],
)
async def test_only_the_parts_that_are_exposed_are_shown(
    tokenizer: ChainTokenizer, path: str, expose: list[str] | None, draft: bool, witness: bool
) -> None:
    reasoning, reflection = await shown(tokenizer, path, {"expose": expose})
    assert (DRAFT in reasoning, "beginner" in reasoning, "Weight" in reasoning) == (draft, witness, witness)
    assert "Decision: revise" in reasoning
    assert not reasoning.startswith("\n")
    assert (reflection["draft"] == DRAFT, reflection["draft"] is None) == (draft, not draft)
    assert (reflection["witness"] is None, reflection["expected_weight"] is None) == (not witness, not witness)
    assert (reflection["decision"], reflection["answer"]) == ("revise", ANSWER)


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
@pytest.mark.parametrize(
    ("options", "fields"),
    [({"expose": []}, {}), ({}, {"include_reasoning": False}), ({"expose": []}, {"include_reasoning": False})],
    ids=["nothing-exposed", "no-reasoning", "both"],
)
async def test_the_answer_alone_is_shown_where_nothing_else_is_wanted(
    tokenizer: ChainTokenizer, path: str, options: dict[str, Any], fields: dict[str, Any]
) -> None:
    assert await shown(tokenizer, path, options, **fields) == ("", None)


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
@pytest.mark.parametrize("chunk_size", [1, 7])
async def test_what_is_not_exposed_leaks_into_no_event(tokenizer: ChainTokenizer, path: str, chunk_size: int) -> None:
    service = service_over(play(tokenizer, REVISED, chunk_size=chunk_size), tokenizer)
    streamed = (await post(service, path, body(path, {"expose": ["witness"]}, stream=True))).text
    told = "".join(
        (event.get("delta") if path == RESPONSES else event["choices"][0]["delta"].get("reasoning")) or ""
        for event in (json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: {"))
    )
    assert told.startswith("Who: ")
    assert "Slow" not in streamed


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
async def test_fields_that_contradict_each_other_are_refused(tokenizer: ChainTokenizer, path: str) -> None:
    engine = play(tokenizer, REVISED)
    response = await post(
        service_over(engine, tokenizer), path, body(path, {"expose": ["draft"]}, include_reasoning=False)
    )
    assert (response.status_code, response.json()["error"]["param"]) == (400, "reflection.expose")
    assert engine.asked == []


async def test_the_stream_shows_what_the_whole_reply_shows(tokenizer: ChainTokenizer) -> None:
    reasoning, reflection = await shown(tokenizer, CHAT, {"expose": ["witness"]})
    service = service_over(play(tokenizer, REVISED), tokenizer)
    chunks = sse_data(await post(service, CHAT, body(CHAT, {"expose": ["witness"]}, stream=True)))[:-1]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert "".join(delta.get("reasoning", "") for delta in deltas) == reasoning
    assert deltas[-1]["reflection"]["witness"] == reflection["witness"]
    assert deltas[-1]["reflection"]["draft"] is None
