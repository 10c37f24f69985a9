"""OpenAI's own SDK, as installed beside the server: every way in which people call it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from conformance.recorded import MESSAGES, ODD, Target


@pytest.fixture
async def asdk(target: Target) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{target.url}/v1", api_key=target.key or "none", max_retries=0) as client:
        yield client


def extra(message: Any) -> dict[str, Any]:
    found: dict[str, Any] = message.model_extra or {}
    return found


# Chat


def test_create(sdk: openai.OpenAI, target: Target) -> None:
    reply = sdk.chat.completions.create(model=target.direct, messages=MESSAGES, max_tokens=4)
    assert (reply.object, reply.choices[0].message.role) == ("chat.completion", "assistant")
    assert reply.usage is not None
    assert reply.usage.completion_tokens_details is not None
    assert reply.usage.prompt_tokens_details is not None


def test_the_reasoning_fields_are_reachable(sdk: openai.OpenAI, target: Target) -> None:
    message = sdk.chat.completions.create(model=target.model, messages=MESSAGES, seed=1).choices[0].message
    assert message.reasoning == message.reasoning_content == extra(message)["reasoning"]  # type: ignore[attr-defined]
    assert message.reflection["answer"] == message.content  # type: ignore[attr-defined]


def test_the_extension_goes_in_by_extra_body(sdk: openai.OpenAI, target: Target) -> None:
    body = {"reflection": {"draft": ODD}}
    message = sdk.chat.completions.create(model=target.model, messages=MESSAGES, extra_body=body).choices[0].message
    assert extra(message)["reflection"]["draft"] == ODD


def test_iterating_a_stream(sdk: openai.OpenAI, target: Target) -> None:
    with sdk.chat.completions.create(model=target.direct, messages=MESSAGES, max_tokens=8, stream=True) as stream:
        chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")
    assert any(chunk.choices[0].delta.content for chunk in chunks)


def test_usage_of_a_stream(sdk: openai.OpenAI, target: Target) -> None:
    options: Any = {"include_usage": True}
    *_, last = sdk.chat.completions.create(
        model=target.direct, messages=MESSAGES, max_tokens=3, stream=True, stream_options=options
    )
    assert (last.choices, last.usage and last.usage.completion_tokens) == ([], 3)


def test_the_accumulating_stream(sdk: openai.OpenAI, target: Target) -> None:
    said = ""
    with sdk.chat.completions.stream(model=target.model, messages=MESSAGES, seed=2) as stream:
        for event in stream:
            if event.type == "content.delta":
                said += event.delta
                assert event.snapshot == said
        final = stream.get_final_completion()
    [choice] = final.choices
    assert choice.message.content == said == extra(choice.message)["reflection"]["answer"]
    assert extra(choice.message)["reasoning"] == extra(choice.message)["reasoning_content"]


def test_numbers_are_not_added_up_by_the_accumulating_stream(sdk: openai.OpenAI, target: Target) -> None:
    with sdk.chat.completions.stream(model=target.model, messages=MESSAGES, seed=2) as stream:
        reflection = extra(stream.get_final_completion().choices[0].message)["reflection"]
    assert -3 <= reflection["witness"]["weight"] <= 3
    assert 0 <= reflection["revise_probability"] <= 1


def test_a_stream_left_early_does_no_harm(sdk: openai.OpenAI, target: Target) -> None:
    stream = sdk.chat.completions.create(model=target.model, messages=MESSAGES, stream=True)
    next(iter(stream))
    stream.close()
    assert sdk.chat.completions.create(model=target.direct, messages=MESSAGES, max_tokens=1).choices


def test_the_raw_response_shows_headers(sdk: openai.OpenAI, target: Target) -> None:
    raw = sdk.chat.completions.with_raw_response.create(
        model=target.direct, messages=MESSAGES, max_tokens=1, extra_headers={"x-request-id": "sdk-1"}
    )
    assert raw.headers["x-request-id"] == raw.request_id == "sdk-1"
    assert raw.parse().id == "chatcmpl-sdk-1"


def test_the_request_id_is_on_the_reply(sdk: openai.OpenAI, target: Target) -> None:
    reply = sdk.chat.completions.create(model=target.direct, messages=MESSAGES, max_tokens=1)
    assert reply.id == f"chatcmpl-{reply._request_id}"


def test_the_streaming_response(sdk: openai.OpenAI, target: Target) -> None:
    with sdk.chat.completions.with_streaming_response.create(
        model=target.direct, messages=MESSAGES, max_tokens=2, stream=True
    ) as raw:
        lines = [line for line in raw.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"


async def test_async_create(asdk: openai.AsyncOpenAI, target: Target) -> None:
    reply = await asdk.chat.completions.create(model=target.direct, messages=MESSAGES, max_tokens=2)
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 2


async def test_async_stream(asdk: openai.AsyncOpenAI, target: Target) -> None:
    async with asdk.chat.completions.stream(model=target.direct, messages=MESSAGES) as stream:
        said = "".join([event.delta async for event in stream if event.type == "content.delta"])
        final = await stream.get_final_completion()
    assert final.choices[0].message.content == said


# Responses


def test_create_a_response(sdk: openai.OpenAI, target: Target) -> None:
    response = sdk.responses.create(model=target.direct, input="Hello.", max_output_tokens=40, temperature=0)
    assert response.output_text == "".join(
        part.text
        for item in response.output
        if item.type == "message"
        for part in item.content
        if part.type == "output_text"
    )
    assert response.usage is not None


def test_stream_a_response(sdk: openai.OpenAI, target: Target) -> None:
    events = list(sdk.responses.create(model=target.direct, input="Hello.", stream=True))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    last = events[-1]
    assert last.type == "response.completed"
    assert (
        "".join(event.delta for event in events if event.type == "response.output_text.delta")
        == last.response.output_text
    )


def test_the_accumulating_stream_of_a_response(sdk: openai.OpenAI, target: Target) -> None:
    with sdk.responses.stream(model=target.model, input="Hello.") as stream:
        for _ in stream:
            pass
        response = stream.get_final_response()
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert extra(response)["reflection"]["answer"] == response.output_text


async def test_async_response(asdk: openai.AsyncOpenAI, target: Target) -> None:
    stream = await asdk.responses.create(model=target.direct, input="Hello.", stream=True)
    kinds = [event.type async for event in stream]
    assert kinds[-1] == "response.completed"


# Models


def test_models_are_listed_and_found(sdk: openai.OpenAI, target: Target) -> None:
    assert [model.id for model in sdk.models.list()][:2] == [target.model, target.direct]
    found = sdk.models.retrieve(target.direct)
    assert (found.id, found.object, type(found.created)) == (target.direct, "model", int)


async def test_async_models(asdk: openai.AsyncOpenAI, target: Target) -> None:
    assert target.model in [model.id async for model in asdk.models.list()]


# Errors


BAD, LONG = openai.BadRequestError, [{"role": "user", "content": "word " * 20_000}]


@pytest.mark.parametrize(
    ("fields", "kind", "param", "code"),
    [
        ({"model": "gpt-5"}, openai.NotFoundError, "model", "model_not_found"),
        ({"temperature": 9}, BAD, "temperature", "invalid_request"),
        ({"messages": []}, BAD, "messages", "invalid_request"),
        ({"messages": LONG}, BAD, "messages", "context_length_exceeded"),
        ({"extra_body": {"reflection": {"mode": "deep"}}}, BAD, "reflection.mode", "invalid_request"),
    ],
    ids=["model", "temperature", "messages", "context", "extension"],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_errors_have_the_class_param_and_code(
    sdk: openai.OpenAI,
    target: Target,
    *,
    fields: dict[str, Any],
    kind: type[openai.APIStatusError],
    param: str,
    code: str,
    streamed: bool,
) -> None:
    body: dict[str, Any] = {"model": target.model, "messages": MESSAGES, "stream": streamed, **fields}
    with pytest.raises(kind) as caught:
        sdk.chat.completions.create(**body)
    assert (caught.value.param, caught.value.code, caught.value.type) == (param, code, "invalid_request_error")
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["message"] in caught.value.message


def test_an_unknown_model_is_not_found(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.models.retrieve("gpt-5")
    assert caught.value.code == "model_not_found"


def test_an_endpoint_that_is_not_there_is_not_found(sdk: openai.OpenAI, target: Target) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.embeddings.create(model=target.model, input="Hello.")
    assert caught.value.code == "not_found"


def test_a_caller_may_give_up_waiting(sdk: openai.OpenAI, target: Target) -> None:
    hasty = sdk.with_options(timeout=0.02, max_retries=0)
    with pytest.raises(openai.APITimeoutError):
        hasty.chat.completions.create(model=target.model, messages=MESSAGES, n=8)  # takes a second at least
    assert sdk.chat.completions.create(model=target.direct, messages=MESSAGES, max_tokens=1).choices
