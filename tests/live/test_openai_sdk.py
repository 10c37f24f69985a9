"""The official `openai` SDK against the live server: what a user's existing client sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from live.conftest import LiveServer

QUESTION: list[Any] = [
    {"role": "user", "content": "I've been trying to learn piano for a month but I'm still terrible."}
]


@pytest.fixture(scope="module")
def client(live: LiveServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0) as sdk:
        yield sdk


def test_create_answers_and_shows_the_chain(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="tear-nano", messages=QUESTION, seed=1)
    choice = reply.choices[0]
    extra = choice.message.model_extra or {}
    reflection = extra["reflection"]
    assert choice.finish_reason == "stop"
    assert choice.message.content == reflection["answer"] != ""
    assert reflection["draft"] in extra["reasoning"] == extra["reasoning_content"]
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert reply.usage.completion_tokens == sum(stage["tokens"] for stage in reflection["stages"])


def test_streamed_chunks_join_to_the_same_reply(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="tear-nano", messages=QUESTION, seed=2, temperature=0)
    chunks = list(
        client.chat.completions.create(
            model="tear-nano",
            messages=QUESTION,
            seed=2,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == whole.choices[0].message.content
    reasoning = "".join((delta.model_extra or {}).get("reasoning", "") for delta in deltas)
    assert reasoning == (whole.choices[0].message.model_extra or {})["reasoning"]
    assert sum("reflection" in (delta.model_extra or {}) for delta in deltas) == 1
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None


def test_stream_helper_accumulates_the_reflection_unharmed(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="tear-nano", messages=QUESTION, seed=3) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message
    reflection = (message.model_extra or {})["reflection"]
    assert message.content == reflection["answer"]
    assert reflection["witness"]["weight"] in range(-3, 4)
    assert len(reflection["stages"]) in (2, 3)


def test_direct_model_answers_without_reasoning(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="tear-nano-direct", messages=QUESTION, seed=1)
    message = reply.choices[0].message
    assert message.content
    assert "reasoning" not in (message.model_extra or {})
    assert (message.model_extra or {})["reflection"]["status"] == "bypassed"


def test_models_lists_both_names(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tear-nano", "tear-nano-direct"]


def test_unknown_model_is_a_not_found_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="The model `gpt-9` does not exist") as caught:
        client.chat.completions.create(model="gpt-9", messages=QUESTION)
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"


def test_unsupported_field_is_a_bad_request_that_names_it(client: openai.OpenAI) -> None:
    tools = [{"type": "function", "function": {"name": "look_up"}}]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="tear-nano", messages=QUESTION, tools=tools)
    assert caught.value.param == "tools"


def test_several_answers_are_drawn_apart(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="tear-nano", messages=QUESTION, n=4, seed=3, temperature=1.0)
    assert [choice.index for choice in reply.choices] == [0, 1, 2, 3]
    assert all(choice.message.content for choice in reply.choices)
    assert len({choice.message.content for choice in reply.choices}) > 1
