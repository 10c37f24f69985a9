"""What a caller sets is what happens: seeds, temperature, limits, stop strings, several answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from conformance.recorded import CHAT, MESSAGES, Recording, Target, ask, stream
from conformance.wire import deltas

SEEDED = {"seed": 21, "temperature": 1.0}


@pytest.fixture
def said(http: httpx.Client, target: Target) -> Callable[..., str]:
    """The content of a direct answer."""

    def content(**fields: Any) -> str:
        text: str = ask(http, {"model": target.direct, "messages": MESSAGES, **fields})["choices"][0]["message"][
            "content"
        ]
        return text

    return content


@pytest.fixture(scope="module")
def parts(http: httpx.Client, target: Target) -> list[str]:
    """A direct answer as it was streamed, piece by piece."""
    body = {"model": target.direct, "messages": MESSAGES, "stream": True, **SEEDED}
    return [text for delta in deltas(stream(http, CHAT, body).chunks()) if (text := delta.get("content"))]


# Seeds and temperature


def test_one_seed_is_one_answer(said: Callable[..., str], parts: list[str]) -> None:
    assert said(**SEEDED) == said(**SEEDED) == "".join(parts)


def test_other_seeds_are_other_answers(said: Callable[..., str]) -> None:
    assert len({said(seed=seed, temperature=1.5, max_tokens=24) for seed in range(5)}) > 1


def test_no_seed_is_drawn_anew(said: Callable[..., str]) -> None:
    assert len({said(temperature=1.5, max_tokens=24) for _ in range(5)}) > 1


@pytest.mark.parametrize("seed", [-(2**63), -1, 0, 2**63 - 1], ids=["least", "negative", "zero", "greatest"])
def test_every_seed_of_64_bits_is_taken(said: Callable[..., str], seed: int) -> None:
    assert said(seed=seed, max_tokens=8) == said(seed=seed, max_tokens=8)


def test_temperature_zero_is_one_answer_whatever_the_seed(said: Callable[..., str]) -> None:
    assert said(temperature=0) == said(temperature=0) == said(temperature=0, seed=5)


@pytest.mark.parametrize("name", ["greedy", "revised"])
def test_a_reflection_can_be_repeated(http: httpx.Client, recording: Recording) -> None:
    again = ask(http, recording.body)["choices"][0]["message"]
    assert (again["content"], again["reasoning"]) == (recording.message["content"], recording.message["reasoning"])


def test_a_narrow_nucleus_holds_only_the_likeliest(http: httpx.Client, target: Target) -> None:
    """Not compared with a greedy answer: in BF16 two tokens may be just as likely."""
    asked = {"model": target.direct, "messages": MESSAGES, "logprobs": True, "top_logprobs": 1}
    [choice] = ask(http, asked | {"top_p": 1e-6, "seed": 1, "temperature": 1.0})["choices"]
    tokens = choice["logprobs"]["content"]
    assert tokens
    assert [each["logprob"] for each in tokens] == [each["top_logprobs"][0]["logprob"] for each in tokens]


# Limits


@pytest.mark.parametrize("limit", [1, 2, 5, 16])
@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_an_answer_is_cut_at_its_limit(http: httpx.Client, target: Target, field: str, limit: int) -> None:
    reply = ask(http, {"model": target.direct, "messages": MESSAGES, "temperature": 0, field: limit})
    [choice] = reply["choices"]
    assert reply["usage"]["completion_tokens"] == limit
    assert choice["finish_reason"] == "length"
    assert choice["message"]["reflection"]["answer_cut"] is True


def test_a_cut_answer_is_the_beginning_of_the_whole_one(said: Callable[..., str]) -> None:
    assert said(temperature=0).startswith(said(temperature=0, max_tokens=5))


def test_an_answer_within_its_limit_is_not_cut(recorded: Callable[[str], Recording]) -> None:
    whole = recorded("direct").whole
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert whole["choices"][0]["message"]["reflection"]["answer_cut"] is False


def test_a_limit_holds_for_all_stages_together(recorded: Callable[[str], Recording]) -> None:
    recording = recorded("limited")
    assert recording.whole["usage"]["completion_tokens"] <= recording.body["max_completion_tokens"]
    assert recording.message["content"].strip()


@pytest.mark.parametrize("limit", [16, 64, 143])
def test_too_little_room_to_reflect_is_said(http: httpx.Client, target: Target, limit: int) -> None:
    reply = ask(http, {"model": target.model, "messages": MESSAGES, "max_completion_tokens": limit, "seed": 1})
    [choice] = reply["choices"]
    assert choice["message"]["reflection"]["status"] == "bypassed"
    assert "reasoning" not in choice["message"]
    assert reply["usage"]["completion_tokens"] <= limit


# Stop strings


def test_an_answer_ends_before_its_stop_string(said: Callable[..., str], parts: list[str]) -> None:
    whole = "".join(parts)
    stop = whole.split()[2]
    assert said(**SEEDED, stop=stop) == whole[: whole.index(stop)]


def test_a_stop_string_may_span_tokens(said: Callable[..., str], parts: list[str]) -> None:
    whole = "".join(parts)
    stop = parts[2][-1:] + parts[3][:2]
    assert said(**SEEDED, stop=[stop]) == whole[: whole.index(stop)]


def test_the_first_of_several_stop_strings_ends_it(said: Callable[..., str], parts: list[str]) -> None:
    whole = "".join(parts)
    first, second = whole.split()[2], whole.split()[5]
    found = min(whole.index(first), whole.index(second))
    assert said(**SEEDED, stop=[second, first, "never said", "nor this"]) == whole[:found]


def test_a_stop_string_that_does_not_come_takes_nothing_away(said: Callable[..., str], parts: list[str]) -> None:
    whole = "".join(parts)
    assert said(**SEEDED, stop=whole[-6:] + "~") == whole


def test_a_stopped_answer_says_stop(recorded: Callable[[str], Recording]) -> None:
    recording = recorded("stopped")
    assert recording.whole["choices"][0]["finish_reason"] == "stop"
    assert not set(recording.message["content"]) & set(".?!")


def test_a_stop_string_holds_in_a_reflection_too(http: httpx.Client, target: Target) -> None:
    reply = ask(http, {"model": target.model, "messages": MESSAGES, "seed": 2, "stop": ["."]})
    message = reply["choices"][0]["message"]
    assert "." not in message["content"] + message["reflection"]["draft"]
    assert "." in message["reasoning"], "the witness is not cut"


# Several answers


def test_the_first_of_several_is_the_one_asked_alone(http: httpx.Client, target: Target) -> None:
    body = {"model": target.direct, "messages": MESSAGES, "temperature": 0, "max_tokens": 12}
    alone, several = ask(http, body), ask(http, {**body, "n": 2})
    assert several["choices"][0]["message"]["content"] == alone["choices"][0]["message"]["content"]


@pytest.mark.parametrize("n", [1, 2, 8])
def test_as_many_come_as_were_asked_for(http: httpx.Client, target: Target, n: int) -> None:
    body = {"model": target.direct, "messages": MESSAGES, "max_tokens": 8, "seed": 1, "temperature": 1.5, "n": n}
    choices = ask(http, body)["choices"]
    assert [choice["index"] for choice in choices] == list(range(n))
    assert len({choice["message"]["reflection"]["id"] for choice in choices}) == n
