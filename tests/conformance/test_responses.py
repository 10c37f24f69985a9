"""`/v1/responses`: OpenAI's events in their order, and the reply that they add up to."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
from conformance.recorded import ODD, QUESTION, Target, stream

RESPONSES = "/v1/responses"
ASKED: Mapping[str, Mapping[str, Any]] = {
    "plain": {"seed": 31},
    "revised": {"seed": 32, "reflection": {"revise_threshold": 0}},
    "supplied": {"seed": 33, "reflection": {"draft": ODD, "revise_threshold": 0}},
    "hidden": {"seed": 34, "include_reasoning": False},
    "direct": {"seed": 35, "reasoning": {"effort": "none"}},
    "cut": {"seed": 36, "reasoning": {"effort": "none"}, "max_output_tokens": 3},
}
NAMES = pytest.mark.parametrize("name", ASKED)

Told = list[dict[str, Any]]


@pytest.fixture(scope="module")
def streams(http: httpx.Client, target: Target) -> Callable[[str], Told]:
    kept: dict[str, Told] = {}

    def streamed(name: str) -> Told:
        if name not in kept:
            body = {"model": target.model, "input": QUESTION, **ASKED[name], "stream": True}
            kept[name] = [event.json() for event in stream(http, RESPONSES, body).events()]
        return kept[name]

    return streamed


@pytest.fixture
def told(name: str, streams: Callable[[str], Told]) -> Told:
    return streams(name)


def kinds(told: Told) -> list[str]:
    return [event["type"].removeprefix("response.") for event in told]


@NAMES
def test_events_are_numbered_from_zero_without_a_gap(told: Told) -> None:
    assert [event["sequence_number"] for event in told] == list(range(len(told)))


@NAMES
def test_a_stream_is_created_in_progress_and_ended_once(told: Told, name: str) -> None:
    end = "incomplete" if name == "cut" else "completed"
    first, second, *between, last = kinds(told)
    assert (first, second, last) == ("created", "in_progress", end)
    assert not {"created", "in_progress", "completed", "incomplete", "failed"} & set(between)


@NAMES
def test_every_item_is_told_in_openais_order(told: Told) -> None:
    expected = []
    for item in told[-1]["response"]["output"]:
        [part] = item["content"]
        deltas = [f"{part['type']}.delta"] if part["text"] else []
        expected += ["output_item.added", "content_part.added", *deltas]
        expected += [f"{part['type']}.done", "content_part.done", "output_item.done"]
    assert [kind for kind, _ in itertools.groupby(kinds(told)[2:-1])] == expected


@NAMES
def test_every_event_of_an_item_names_it_and_its_place(told: Told) -> None:
    ids: dict[int, str] = {}
    for event in told[2:-1]:
        identity = event["item"]["id"] if "item" in event else event["item_id"]
        assert ids.setdefault(event["output_index"], identity) == identity
        assert event.get("content_index", 0) == 0
    assert sorted(ids) == list(range(len(ids)))
    assert [item["id"] for item in told[-1]["response"]["output"]] == [ids[index] for index in sorted(ids)]


@NAMES
@pytest.mark.parametrize("text", ["reasoning_text", "output_text"])
def test_deltas_add_up_to_what_is_done_and_to_the_item(told: Told, text: str) -> None:
    joined = "".join(event["delta"] for event in told if event["type"] == f"response.{text}.delta")
    done = [event["text"] for event in told if event["type"] == f"response.{text}.done"]
    parts = [part for item in told[-1]["response"]["output"] for part in item["content"] if part["type"] == text]
    assert done == [part["text"] for part in parts]
    assert joined == "".join(done)
    assert all(event["delta"] for event in told if event["type"] == f"response.{text}.delta")


@NAMES
def test_the_last_event_holds_what_the_whole_reply_is(
    told: Told, http: httpx.Client, target: Target, name: str
) -> None:
    whole = http.post(RESPONSES, json={"model": target.model, "input": QUESTION, **ASKED[name]}).json()
    last = told[-1]["response"]
    assert last.keys() == whole.keys()
    if name != "supplied":  # whether the engine has met the draft before changes the last digits of its sums
        texts = [[part["text"] for item in one["output"] for part in item["content"]] for one in (last, whole)]
        assert texts[0] == texts[1]
        assert last["usage"]["output_tokens"] == whole["usage"]["output_tokens"]
    assert (last["status"], last["model"], last["object"]) == (whole["status"], whole["model"], "response")


@NAMES
def test_one_response_has_one_id_and_one_birth(told: Told) -> None:
    shown = [event["response"] for event in told if "response" in event]
    assert len({(one["id"], one["created_at"]) for one in shown}) == 1
    assert shown[0]["id"].startswith("resp_")
    assert [one["output"] for one in shown[:2]] == [[], []]


@NAMES
def test_reasoning_comes_before_the_message_and_only_where_it_may(told: Told, name: str) -> None:
    items = [item["type"] for item in told[-1]["response"]["output"]]
    assert items == (["message"] if name in ("hidden", "direct", "cut") else ["reasoning", "message"])
    assert (told[-1]["response"]["reflection"] is None) is (name == "hidden")


@NAMES
def test_usage_is_arithmetic_here_too(told: Told) -> None:
    usage = told[-1]["response"]["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert 0 <= usage["output_tokens_details"]["reasoning_tokens"] <= usage["output_tokens"]
    assert 0 <= usage["input_tokens_details"]["cached_tokens"] <= usage["input_tokens"]
    if reflection := told[-1]["response"]["reflection"]:
        assert usage["output_tokens"] == sum(report["tokens"] for report in reflection["stages"])


def test_a_cut_answer_says_why_and_what_is_unfinished(streams: Callable[[str], Told]) -> None:
    last = streams("cut")[-1]["response"]
    assert last["incomplete_details"] == {"reason": "max_output_tokens"}
    assert [item["status"] for item in last["output"]] == ["incomplete"]
    assert last["usage"]["output_tokens"] == 3
    assert last["completed_at"] is None


@pytest.mark.parametrize(
    "given",
    [
        QUESTION,
        [{"role": "user", "content": QUESTION}],
        [{"type": "message", "role": "user", "content": QUESTION}],
        [{"role": "user", "content": [{"type": "input_text", "text": QUESTION}]}],
    ],
    ids=["text", "message", "typed-message", "parts"],
)
def test_one_question_may_be_written_in_many_ways(http: httpx.Client, target: Target, given: Any) -> None:
    body = {"model": target.direct, "input": given, "max_output_tokens": 6, "temperature": 0}
    told = http.post(RESPONSES, json=body).raise_for_status().json()
    plain = http.post(RESPONSES, json={**body, "input": QUESTION}).raise_for_status().json()
    assert told["usage"]["input_tokens"] == plain["usage"]["input_tokens"]
    assert told["output"][0]["content"] == plain["output"][0]["content"]


def test_instructions_are_the_system_prompt(http: httpx.Client, target: Target) -> None:
    body = {"model": target.direct, "input": QUESTION, "max_output_tokens": 1}
    plain = http.post(RESPONSES, json=body).json()["usage"]["input_tokens"]
    told = http.post(RESPONSES, json={**body, "instructions": "Be kind."}).json()
    assert told["usage"]["input_tokens"] > plain
    assert told["instructions"] == "Be kind."


def test_output_is_input_of_the_next_turn(http: httpx.Client, target: Target, streams: Callable[[str], Told]) -> None:
    turns = [{"role": "user", "content": QUESTION}, *streams("plain")[-1]["response"]["output"]]
    body = {"model": target.direct, "input": [*turns, {"role": "user", "content": "Thank you."}]}
    assert http.post(RESPONSES, json={**body, "max_output_tokens": 2}).json()["usage"]["output_tokens"] == 2


def test_a_response_says_the_same_as_a_chat_completion(http: httpx.Client, target: Target) -> None:
    fields = {"model": target.direct, "temperature": 0}
    response = http.post(RESPONSES, json={**fields, "input": QUESTION}).json()
    messages = [{"role": "user", "content": QUESTION}]
    chat = http.post("/v1/chat/completions", json={**fields, "messages": messages}).json()
    assert response["output"][0]["content"][0]["text"] == chat["choices"][0]["message"]["content"]
    assert response["usage"]["total_tokens"] == chat["usage"]["total_tokens"]
