"""Chat chunks: what may be in one, in what order, and that they add up to the whole reply."""

from __future__ import annotations

from typing import Any

import pytest
from conformance.recorded import EVERY, REFLECTED, SINGLE, Recording
from conformance.wire import choices, deltas

RECORDED = pytest.mark.parametrize("name", EVERY)
ONE = pytest.mark.parametrize("name", SINGLE)
REFLECTS = pytest.mark.parametrize("name", REFLECTED)


def joined(recording: Recording, field: str) -> str:
    return "".join(delta.get(field) or "" for delta in deltas(recording.stream.chunks()))


def each(recording: Recording) -> list[list[dict[str, Any]]]:
    """The deltas of every choice."""
    return [deltas(recording.stream.chunks(), index=index) for index in range(recording.body.get("n", 1))]


@RECORDED
def test_the_role_comes_first_and_once(recording: Recording) -> None:
    for first, *rest in each(recording):
        assert first == {"role": "assistant", "content": ""}
        assert not [delta for delta in rest if "role" in delta]


@RECORDED
def test_no_delta_has_reasoning_and_content(recording: Recording) -> None:
    for _, *rest in each(recording):
        assert not [delta for delta in rest if "content" in delta and "reasoning" in delta]


@RECORDED
def test_no_delta_says_nothing_but_the_last(recording: Recording) -> None:
    for _, *between, _ in each(recording):
        assert all(delta.get("content") or delta.get("reasoning") for delta in between)


@RECORDED
def test_reasoning_goes_by_both_names(recording: Recording) -> None:
    for one in each(recording):
        assert all(delta.get("reasoning") == delta.get("reasoning_content") for delta in one)


@REFLECTS
def test_reasoning_is_over_when_content_begins(recording: Recording) -> None:
    _, *rest = deltas(recording.stream.chunks())
    channels = ["content" if "content" in delta else "reasoning" for delta in rest if delta.keys() - {"reflection"}]
    assert channels == sorted(channels, reverse=True)


@RECORDED
def test_the_reflection_comes_once_and_in_the_last_delta(recording: Recording) -> None:
    for *before, last in each(recording):
        assert ("reflection" in last) is not recording.is_hidden
        assert not [delta for delta in before if "reflection" in delta]
    assert not [chunk for chunk in recording.stream.chunks() if "reflection" in chunk]


@RECORDED
def test_every_choice_finishes_once_and_with_its_last_chunk(recording: Recording) -> None:
    told = choices(recording.stream.chunks())
    for index in range(recording.body.get("n", 1)):
        *before, last = [choice for choice in told if choice["index"] == index]
        assert {choice["finish_reason"] for choice in before} <= {None}
        assert last["finish_reason"] in ("stop", "length")


@RECORDED
def test_the_chunks_of_a_stream_are_of_one_kind(recording: Recording) -> None:
    kinds = {tuple(chunk[name] for name in ("id", "created", "model", "object")) for chunk in recording.stream.chunks()}
    [(identity, created, model, kind)] = kinds
    assert identity.startswith("chatcmpl-")
    assert (type(created), model, kind) == (int, recording.body["model"], "chat.completion.chunk")


@RECORDED
def test_every_chunk_and_reply_says_which_adapter_answered(recording: Recording) -> None:
    [fingerprint] = {chunk["system_fingerprint"] for chunk in recording.stream.chunks()}
    assert fingerprint == recording.whole["system_fingerprint"]
    assert fingerprint.startswith("witness-")


@RECORDED
def test_usage_comes_last_and_only_when_asked(recording: Recording) -> None:
    *before, last = recording.stream.chunks()
    assert not [chunk for chunk in before if chunk.get("usage") or not chunk["choices"]]
    assert (last["choices"] == []) is recording.asks_usage
    assert bool(last.get("usage")) is recording.asks_usage


@ONE
def test_the_stream_says_what_the_whole_reply_says(recording: Recording) -> None:
    assert joined(recording, "content") == recording.message["content"]
    assert joined(recording, "reasoning") == recording.message.get("reasoning", "")
    [*_, last] = choices(recording.stream.chunks())
    assert last["finish_reason"] == recording.whole["choices"][0]["finish_reason"]


@ONE
def test_the_stream_tells_the_same_reflection(recording: Recording) -> None:
    def told(reflection: dict[str, Any] | None) -> dict[str, Any] | None:
        return reflection and {
            name: reflection[name]
            for name in ("status", "outcome", "problems", "draft", "witness", "decision", "answer")
        }

    streamed = deltas(recording.stream.chunks())[-1].get("reflection")
    assert told(streamed) == told(recording.message.get("reflection"))


@REFLECTS
def test_content_is_the_answer_and_never_part_of_the_draft_before_it(recording: Recording) -> None:
    if recording.is_hidden:
        assert joined(recording, "reasoning") == ""
        assert recording.message.keys() == {"role", "content"}
    else:
        assert recording.message["content"] == recording.message["reflection"]["answer"]
        assert recording.message["reflection"]["draft"] in recording.message["reasoning"]


@RECORDED
def test_a_whole_reply_has_every_field_that_clients_read(recording: Recording) -> None:
    whole = recording.whole
    assert whole.keys() >= {"id", "object", "created", "model", "choices", "usage", "system_fingerprint"}
    assert whole["object"] == "chat.completion"
    for index, choice in enumerate(whole["choices"]):
        assert choice.keys() >= {"index", "message", "logprobs", "finish_reason"}
        assert (choice["index"], choice["message"]["role"]) == (index, "assistant")
        assert isinstance(choice["message"]["content"], str)


@RECORDED
def test_no_control_token_is_spelled_in_any_text(recording: Recording) -> None:
    for marker in ("<draft>", "<witness>", "<who>", "<weight>", "<keep>", "<revise>", "</s>", "[INST]", "[/INST]"):
        assert marker.encode() not in recording.stream.raw
