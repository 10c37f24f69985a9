"""The official `openai` SDK's Responses API against the live server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from live.conftest import LiveServer
from openai.types.responses import Response, ResponseCompletedEvent

MODEL = "tear-nano"
QUESTION = "I've been trying to learn piano for a month but I'm still terrible."


@pytest.fixture(scope="module")
def client(live: LiveServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0) as sdk:
        yield sdk


def reflection_of(response: Response) -> dict[str, Any]:
    reflection: dict[str, Any] = (response.model_extra or {})["reflection"]
    return reflection


def reasoning_of(response: Response) -> str:
    return "".join(
        part.text for item in response.output if item.type == "reasoning" for part in item.content or () if part.text
    )


def test_create_answers_and_shows_the_chain(client: openai.OpenAI) -> None:
    response = client.responses.create(
        model=MODEL, input=QUESTION, instructions="Be kind.", metadata={"a": "b"}, extra_body={"seed": 1}
    )
    reflection = reflection_of(response)
    assert (response.status, response.metadata) == ("completed", {"a": "b"})
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.output_text == reflection["answer"] != ""
    assert reflection["draft"] in reasoning_of(response)
    assert response.usage is not None
    assert response.usage.output_tokens == sum(stage["tokens"] for stage in reflection["stages"])
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


def test_streamed_events_join_to_the_same_response(client: openai.OpenAI) -> None:
    same: Any = {"model": MODEL, "input": QUESTION, "temperature": 0, "extra_body": {"seed": 2}}
    whole = client.responses.create(**same)
    events = list(client.responses.create(**same, stream=True))
    said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    thought = "".join(event.delta for event in events if event.type == "response.reasoning_text.delta")
    assert (said, thought) == (whole.output_text, reasoning_of(whole))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1]
    assert isinstance(last, ResponseCompletedEvent)
    assert last.response.output_text == said
    assert last.response.usage == whole.usage


def test_stream_helper_accumulates_to_the_final_response(client: openai.OpenAI) -> None:
    said = ""
    with client.responses.stream(model=MODEL, input=QUESTION, extra_body={"seed": 3}) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                said += event.delta
                assert event.snapshot == said
        response = stream.get_final_response()
    reflection = reflection_of(response)
    assert response.output_text == said == reflection["answer"]
    assert reflection["witness"]["weight"] in range(-3, 4)


def test_the_output_of_one_turn_is_input_of_the_next(client: openai.OpenAI) -> None:
    first = client.responses.create(model=MODEL, input=QUESTION, store=False, extra_body={"seed": 4})
    turns: list[Any] = [{"role": "user", "content": QUESTION}, *first.output, {"role": "user", "content": "Thank you."}]
    second = client.responses.create(model=MODEL, input=turns, store=False)
    assert second.output_text
    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.input_tokens > first.usage.input_tokens


def test_no_effort_answers_without_reasoning(client: openai.OpenAI) -> None:
    response = client.responses.create(model=MODEL, input=QUESTION, reasoning={"effort": "none"})
    assert [item.type for item in response.output] == ["message"]
    assert reflection_of(response)["status"] == "bypassed"


def test_an_answer_cut_short_is_incomplete(client: openai.OpenAI) -> None:
    response = client.responses.create(model=f"{MODEL}-direct", input=QUESTION, max_output_tokens=2)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


def test_state_that_is_not_kept_is_a_bad_request_that_names_it(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input=QUESTION, previous_response_id="resp_1")
    assert caught.value.param == "previous_response_id"
