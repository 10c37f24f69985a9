from __future__ import annotations

import math
from typing import Any

import pytest
from scripted import DRAWN
from stories import (
    ANSWER,
    DRAFT,
    KEPT,
    MODEL,
    REVISED,
    STORIES,
    Story,
    asking,
    play,
    post,
    service_over,
    sse_data,
)

from tear_chain.events import Likely, ScoredToken
from tear_chain.tokenizer import ChainTokenizer
from tear_server.api.logprobs import LEAST, chat_logprobs

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
STORY = pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
SIZES = pytest.mark.parametrize("chunk_size", [1, 7])


async def ask(tokenizer: ChainTokenizer, story: Story, *, chunk_size: int = 1, **fields: Any) -> Any:
    """The first choice of a whole reply."""
    engine = play(tokenizer, story, chunk_size=chunk_size)
    response = await post(service_over(engine, tokenizer), CHAT, asking(**{"logprobs": True} | fields))
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]


def joined(entries: list[Any]) -> str:
    return bytes(byte for entry in entries for byte in entry["bytes"]).decode()


@SIZES
@STORY
async def test_the_bytes_of_the_entries_are_the_content(
    tokenizer: ChainTokenizer, story: Story, chunk_size: int
) -> None:
    choice = await ask(tokenizer, story, chunk_size=chunk_size)
    assert joined(choice["logprobs"]["content"]) == choice["message"]["content"] != ""
    assert choice["logprobs"]["refusal"] is None


@pytest.mark.parametrize(
    ("story", "fields", "answer"),
    [
        (KEPT, {}, DRAFT),
        (REVISED, {}, ANSWER),
        (KEPT, {"model": f"{MODEL}-direct"}, DRAFT),
        (STORIES["blank-revision"], {}, DRAFT),
    ],
    ids=["kept", "revised", "direct", "fallback"],
)
async def test_every_token_of_the_answer_has_an_entry_and_no_other_has(
    tokenizer: ChainTokenizer, story: Story, fields: dict[str, Any], answer: str
) -> None:
    entries = (await ask(tokenizer, story, **fields))["logprobs"]["content"]
    assert [bytes(entry["bytes"]) for entry in entries] == [tokenizer.piece(each) for each in tokenizer.encode(answer)]
    assert {entry["logprob"] for entry in entries} == {DRAWN}


@pytest.mark.parametrize("top", [0, 1, 5, 20])
async def test_so_many_likely_tokens_are_told_as_were_asked_for(tokenizer: ChainTokenizer, top: int) -> None:
    for entry in (await ask(tokenizer, REVISED, top_logprobs=top))["logprobs"]["content"]:
        values = [each["logprob"] for each in entry["top_logprobs"]]
        assert len(values) == top
        assert values == sorted(values, reverse=True)
        assert all(set(each) == {"token", "bytes", "logprob"} for each in entry["top_logprobs"])


@pytest.mark.parametrize("fields", [{"logprobs": False}, {"logprobs": None}], ids=["no", "null"])
async def test_nobody_is_told_who_did_not_ask(tokenizer: ChainTokenizer, fields: dict[str, Any]) -> None:
    engine = play(tokenizer, REVISED)
    response = await post(service_over(engine, tokenizer), CHAT, asking(**fields))
    assert response.json()["choices"][0]["logprobs"] is None
    assert {each.top_logprobs for each in engine.asked} == {None}


async def test_the_witness_is_watched_and_not_scored(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED)
    await post(service_over(engine, tokenizer), CHAT, asking(logprobs=True, top_logprobs=2))
    assert [(each.top_logprobs, bool(each.watch)) for each in engine.asked] == [(2, False), (None, True), (2, False)]


async def test_a_draft_of_the_callers_own_has_no_entries(tokenizer: ChainTokenizer) -> None:
    choice = await ask(tokenizer, KEPT, reflection={"draft": "No talent."})
    assert (choice["message"]["content"], choice["logprobs"]) == ("No talent.", None)


@SIZES
@pytest.mark.parametrize("stop", [" make", "ys ma", "👧", "nowhere"])
async def test_what_a_stop_string_takes_out_has_no_entry(tokenizer: ChainTokenizer, stop: str, chunk_size: int) -> None:
    choice = await ask(tokenizer, REVISED, chunk_size=chunk_size, stop=stop)
    content = choice["message"]["content"]
    assert content == ANSWER.partition(stop)[0]
    assert joined(choice["logprobs"]["content"]) == content


@SIZES
@pytest.mark.parametrize(
    "fields",
    [{}, {"stop": ["ys ma"]}, {"model": f"{MODEL}-direct"}, {"max_tokens": 40}],
    ids=["plain", "stopped", "direct", "small"],
)
@STORY
async def test_the_entries_of_a_stream_joined_are_those_of_the_whole_reply(
    tokenizer: ChainTokenizer, story: Story, fields: dict[str, Any], chunk_size: int
) -> None:
    whole = await ask(tokenizer, story, chunk_size=chunk_size, top_logprobs=2, **fields)
    engine = play(tokenizer, story, chunk_size=chunk_size)
    body = asking(stream=True, logprobs=True, top_logprobs=2, **fields)
    chunks = sse_data(await post(service_over(engine, tokenizer), CHAT, body))[:-1]
    told = [chunk["choices"][0] for chunk in chunks]
    entries = [entry for choice in told if choice["logprobs"] for entry in choice["logprobs"]["content"]]
    assert entries == (whole["logprobs"]["content"] if whole["message"]["content"] else [])
    assert [choice for choice in told if choice["logprobs"] and "content" not in choice["delta"]] == []


@SIZES
async def test_entries_come_with_their_text_and_never_before_it(tokenizer: ChainTokenizer, chunk_size: int) -> None:
    engine = play(tokenizer, REVISED, chunk_size=chunk_size)
    chunks = sse_data(await post(service_over(engine, tokenizer), CHAT, asking(stream=True, logprobs=True)))[:-1]
    content, told = b"", b""
    for choice in (chunk["choices"][0] for chunk in chunks):
        content += choice["delta"].get("content", "").encode()
        told += bytes(byte for entry in (choice["logprobs"] or {"content": []})["content"] for byte in entry["bytes"])
        # A token that ends within a character waits for the rest of it.
        assert content.startswith(told)
        assert len(content) - len(told) < 8
    assert content == told == ANSWER.encode()


async def test_several_answers_have_entries_each(tokenizer: ChainTokenizer) -> None:
    body = asking(logprobs=True, n=3)
    reply = (await post(service_over(play(tokenizer, REVISED), tokenizer), CHAT, body)).json()
    assert [joined(choice["logprobs"]["content"]) for choice in reply["choices"]] == [ANSWER] * 3


def test_an_impossible_token_is_told_as_a_number() -> None:
    token = ScoredToken(b"\xf0\x9f", -math.inf, (Likely("</s>", b"", -math.inf),))
    assert chat_logprobs([token])["content"] == [
        {
            "token": "\ufffd",
            "bytes": [0xF0, 0x9F],
            "logprob": LEAST,
            "top_logprobs": [{"token": "</s>", "bytes": [], "logprob": LEAST}],
        }
    ]


# Responses


async def respond(tokenizer: ChainTokenizer, story: Story, **fields: Any) -> Any:
    response = await post(service_over(play(tokenizer, story), tokenizer), RESPONSES, {"input": "Hm?", **fields})
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize(
    ("fields", "top"),
    [
        ({"include": ["message.output_text.logprobs"]}, 0),
        ({"top_logprobs": 2}, 2),
        ({"include": ["message.output_text.logprobs"], "top_logprobs": 5}, 5),
    ],
    ids=["include", "top", "both"],
)
async def test_a_response_tells_the_same_in_its_message(
    tokenizer: ChainTokenizer, fields: dict[str, Any], top: int
) -> None:
    reply = await respond(tokenizer, REVISED, **fields)
    [part] = reply["output"][-1]["content"]
    choice = await ask(tokenizer, REVISED, top_logprobs=top)
    assert part["logprobs"] == choice["logprobs"]["content"]
    assert (joined(part["logprobs"]), reply["top_logprobs"]) == (part["text"], top)


@pytest.mark.parametrize("fields", [{}, {"top_logprobs": 0}, {"include": []}, {"include": ["other"]}])
async def test_a_response_tells_nobody_who_did_not_ask(tokenizer: ChainTokenizer, fields: dict[str, Any]) -> None:
    assert (await respond(tokenizer, REVISED, **fields))["output"][-1]["content"][0]["logprobs"] == []


def test_the_answer_here_has_characters_of_several_tokens(tokenizer: ChainTokenizer) -> None:
    assert any(not tokenizer.decode([token]) for token in tokenizer.encode(ANSWER))
