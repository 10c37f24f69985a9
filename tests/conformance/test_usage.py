"""Usage is arithmetic: what was read, what was written, and how much of that was reasoning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from conformance.recorded import DIRECT, EVERY, REFLECTED, Recording, Target, ask

RECORDED = pytest.mark.parametrize("name", EVERY)
VISIBLE = pytest.mark.parametrize("name", sorted(EVERY.keys() - {"hidden"}))


def reports(whole: Any) -> list[dict[str, Any]]:
    return [report for choice in whole["choices"] for report in choice["message"]["reflection"]["stages"]]


@RECORDED
def test_the_total_is_prompt_and_completion(recording: Recording) -> None:
    usage = recording.whole["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["prompt_tokens"] > 0 < usage["completion_tokens"]


@RECORDED
def test_reasoning_is_part_of_the_completion_and_the_cached_part_of_the_prompt(recording: Recording) -> None:
    usage = recording.whole["usage"]
    assert 0 <= usage["completion_tokens_details"]["reasoning_tokens"] <= usage["completion_tokens"]
    assert 0 <= usage["prompt_tokens_details"]["cached_tokens"] <= usage["prompt_tokens"]


@VISIBLE
def test_the_stages_add_up_to_the_completion(recording: Recording) -> None:
    assert recording.whole["usage"]["completion_tokens"] == sum(report["tokens"] for report in reports(recording.whole))


@VISIBLE
def test_reasoning_is_what_the_answers_stage_did_not_write(recording: Recording) -> None:
    answers = 0
    for choice in recording.whole["choices"]:
        reflection = choice["message"]["reflection"]
        stage = (
            "revised"
            if reflection["decision"] == "revise" and "empty_revision" not in reflection["problems"]
            else "draft"
        )
        answers += sum(report["tokens"] for report in reflection["stages"] if report["stage"] == stage)
    usage = recording.whole["usage"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] == usage["completion_tokens"] - answers


@pytest.mark.parametrize("name", DIRECT)
def test_an_answer_without_reflecting_has_no_reasoning_tokens(recording: Recording) -> None:
    assert recording.whole["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0


@pytest.mark.parametrize("name", REFLECTED)
def test_the_prompt_is_counted_once_for_all_stages(recording: Recording, recorded: Callable[[str], Recording]) -> None:
    assert recording.whole["usage"]["prompt_tokens"] <= recorded("direct").whole["usage"]["prompt_tokens"] + len(
        recording.body.get("reflection", {}).get("draft", "").encode()
    )


@pytest.mark.parametrize("name", ["direct", "cut", "greedy", "revised", "supplied", "hidden", "several"])
def test_the_usage_of_a_stream_is_that_of_the_whole_reply(recording: Recording) -> None:
    streamed, whole = recording.stream.chunks()[-1]["usage"], recording.whole["usage"]
    assert streamed.keys() == whole.keys()
    if recording.body.get("n", 1) == 1:
        for name in ("prompt_tokens", "completion_tokens", "total_tokens", "completion_tokens_details"):
            assert streamed[name] == whole[name]


def test_several_answers_cost_one_prompt_and_all_completions(recorded: Callable[[str], Recording]) -> None:
    several, one = recorded("several").whole, recorded("direct").whole
    assert len(several["choices"]) == 3
    assert several["usage"]["prompt_tokens"] == one["usage"]["prompt_tokens"]
    assert several["usage"]["completion_tokens"] == sum(report["tokens"] for report in reports(several))


def test_a_repeated_prompt_is_answered_from_the_cache(http: httpx.Client, target: Target) -> None:
    body = {"model": target.direct, "max_tokens": 1, "messages": [{"role": "user", "content": "Tell me again. " * 60}]}
    first, second = ask(http, body)["usage"], ask(http, body)["usage"]
    assert first["prompt_tokens"] == second["prompt_tokens"]
    assert second["prompt_tokens_details"]["cached_tokens"] > second["prompt_tokens"] // 2


def test_a_longer_conversation_has_a_longer_prompt(http: httpx.Client, target: Target) -> None:
    def prompt_tokens(words: int) -> int:
        messages = [{"role": "user", "content": "piano " * words}]
        tokens: int = ask(http, {"model": target.direct, "max_tokens": 1, "messages": messages})["usage"][
            "prompt_tokens"
        ]
        return tokens

    assert prompt_tokens(20) - prompt_tokens(10) >= 10


def test_the_context_window_is_as_long_as_models_says(http: httpx.Client, target: Target) -> None:
    """Prompt and answer fill it to the last token, and one word more is refused."""
    context = http.get(f"/v1/models/{target.direct}").json()["max_model_len"]
    reply = http.post(
        "/v1/chat/completions",
        json={"model": target.direct, "messages": [{"role": "user", "content": "word " * context}]},
    )
    assert reply.json()["error"]["code"] == "context_length_exceeded"
    assert str(context) in reply.json()["error"]["message"]
