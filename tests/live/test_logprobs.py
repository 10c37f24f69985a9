"""Log-probabilities of real answers, through the official SDK."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from live.conftest import LiveServer

QUESTION: list[Any] = [{"role": "user", "content": "We buried my uncle on Friday. I can't go into his shed."}]
MODELS = pytest.mark.parametrize("model", ["tear-nano", "tear-nano-direct"])
TOP = 5


@pytest.fixture(scope="module")
def client(live: LiveServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0) as sdk:
        yield sdk


def joined(entries: Any) -> str:
    return bytes(byte for entry in entries for byte in entry.bytes).decode()


def assert_ranked(entries: Any) -> None:
    """Each has its likely tokens, all finite, the likeliest first; none is likelier than the first."""
    for entry in entries:
        values = [each.logprob for each in entry.top_logprobs]
        assert len(values) == TOP
        assert values == sorted(values, reverse=True)
        assert all(-1000 < value <= 0 for value in values)
        assert entry.logprob <= values[0] + 1e-6


@MODELS
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_tokens_of_an_answer_are_its_content(client: openai.OpenAI, model: str, seed: int) -> None:
    reply = client.chat.completions.create(
        model=model, messages=QUESTION, seed=seed, logprobs=True, top_logprobs=TOP, temperature=1.0
    )
    choice = reply.choices[0]
    assert choice.logprobs is not None
    assert joined(choice.logprobs.content) == choice.message.content != ""
    assert_ranked(choice.logprobs.content)


@MODELS
def test_greedy_tokens_are_the_likeliest(client: openai.OpenAI, model: str) -> None:
    reply = client.chat.completions.create(
        model=model, messages=QUESTION, temperature=0, logprobs=True, top_logprobs=TOP
    )
    assert reply.choices[0].logprobs is not None
    for entry in reply.choices[0].logprobs.content or []:
        assert entry.token == entry.top_logprobs[0].token
        assert math.isclose(entry.logprob, entry.top_logprobs[0].logprob, abs_tol=1e-5)


@MODELS
def test_a_stream_tells_what_the_whole_reply_tells(client: openai.OpenAI, model: str) -> None:
    same: Any = {"model": model, "messages": QUESTION, "seed": 7, "logprobs": True, "top_logprobs": 2}
    whole = client.chat.completions.create(**same).choices[0]
    with client.chat.completions.stream(**same) as stream:
        for _ in stream:
            pass
        streamed = stream.get_final_completion().choices[0]
    assert streamed.message.content == whole.message.content
    assert streamed.logprobs is not None
    assert whole.logprobs is not None
    assert [each.token for each in streamed.logprobs.content or []] == [
        each.token for each in whole.logprobs.content or []
    ]
    assert joined(streamed.logprobs.content) == whole.message.content


async def test_whoever_shares_a_batch_gets_what_he_asked_for(live: LiveServer) -> None:
    """Some are watched by the chain and some scored: vLLM by itself answers all with what was asked for one."""
    async with openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0) as client:

        async def ask(place: int) -> Any:
            scored: Any = {"logprobs": True, "top_logprobs": TOP} if place % 2 else {}
            model = "tear-nano-direct" if place % 4 == 1 else "tear-nano"
            return await client.chat.completions.create(model=model, messages=QUESTION, seed=place, **scored)

        replies = await asyncio.gather(*(ask(place) for place in range(24)))
    for place, reply in enumerate(replies):
        choice = reply.choices[0]
        if place % 2:
            assert joined(choice.logprobs.content) == choice.message.content
            assert_ranked(choice.logprobs.content)
        else:
            reflection = choice.message.model_extra["reflection"]
            assert reflection["status"] == "malformed" or 0 <= reflection["revise_probability"] <= 1


def test_a_response_has_them_in_its_message(client: openai.OpenAI) -> None:
    response = client.responses.create(
        model="tear-nano",
        input=QUESTION[0]["content"],
        top_logprobs=TOP,
        include=["message.output_text.logprobs"],
        extra_body={"seed": 3},
    )
    [message] = [item for item in response.output if item.type == "message"]
    [part] = message.content
    assert part.type == "output_text"
    assert joined(part.logprobs) == response.output_text != ""
    assert_ranked(part.logprobs)
