"""`/v1/reflections`: the typed events of a chain follow a grammar, and fold to the object."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
from conformance.recorded import MESSAGES, ODD, Target, stream
from conformance.wire import ServerEvent

REFLECTIONS = "/v1/reflections"
ASKED: Mapping[str, Mapping[str, Any]] = {
    "plain": {"seed": 41},
    "revised": {"seed": 42, "revise_threshold": 0},
    "kept": {"seed": 43, "draft": ODD, "revise_threshold": 1},
    "supplied": {"seed": 44, "draft": ODD, "revise_threshold": 0},
    "limited": {"seed": 45, "max_completion_tokens": 150},
    "bypassed": {"seed": 46, "max_completion_tokens": 20},
}
NAMES = pytest.mark.parametrize("name", ASKED)
GRAMMAR = re.compile(
    r"(?:started:draft (?:delta:draft )*)?completed:draft "
    r"(?:started:witness (?:delta:witness )*completed:witness witnessed "
    r"(?:started:revised (?:delta:revised )*completed:revised )?)?"
    r"reflected "
)
"""Every stage begins, is told and ends before the next begins."""


@pytest.fixture(scope="module")
def streams(http: httpx.Client, target: Target) -> Callable[[str], list[ServerEvent]]:
    kept: dict[str, list[ServerEvent]] = {}

    def streamed(name: str) -> list[ServerEvent]:
        if name not in kept:
            body = {"model": target.model, "messages": MESSAGES, **ASKED[name], "stream": True}
            kept[name] = stream(http, REFLECTIONS, body).events()
        return kept[name]

    return streamed


@pytest.fixture
def told(name: str, streams: Callable[[str], list[ServerEvent]]) -> list[ServerEvent]:
    return streams(name)


@pytest.fixture
def reflection(told: list[ServerEvent]) -> dict[str, Any]:
    whole: dict[str, Any] = told[-1].json()["reflection"]
    return whole


def said(told: list[ServerEvent], stage: str, field: str | None = None) -> str:
    deltas = [event.json() for event in told if event.name == "text.delta"]
    return "".join(one["text"] for one in deltas if (one["stage"], one["field"]) == (stage, field))


@NAMES
def test_events_follow_the_grammar(told: list[ServerEvent]) -> None:
    words = ""
    for event in told:
        data = event.json()
        match event.name:
            case "stage.started":
                words += f"started:{data['stage']} "
            case "text.delta":
                words += f"delta:{data['stage']} "
            case "stage.completed":
                words += f"completed:{data['report']['stage']} "
            case "reflection.witnessed":
                words += "witnessed "
            case "reflection.completed":
                words += "reflected "
            case other:
                words += other
    assert GRAMMAR.fullmatch(words), words


@NAMES
def test_deltas_add_up_to_draft_scene_and_answer(told: list[ServerEvent], reflection: dict[str, Any]) -> None:
    assert said(told, "draft") in (reflection["draft"], "")
    if reflection["witness"]:
        for field in ("who", "impact", "ripples"):
            assert said(told, "witness", field) == (reflection["witness"][field] or "")
    if revised := said(told, "revised"):
        assert revised == reflection["answer"]
    else:
        assert reflection["answer"] == reflection["draft"]


@NAMES
def test_what_was_witnessed_is_what_the_reflection_says(told: list[ServerEvent], reflection: dict[str, Any]) -> None:
    found = [event.json() for event in told if event.name == "reflection.witnessed"]
    if not found:
        assert (reflection["witness"], reflection["decision"], reflection["status"]) == (None, None, "bypassed")
        return
    [witnessed] = found
    assert witnessed["scene"] == reflection["witness"]
    for name in ("expected_weight", "decision", "revise_probability"):
        assert witnessed[name] == reflection[name]


@NAMES
def test_the_reports_of_the_stages_are_the_reflections(told: list[ServerEvent], reflection: dict[str, Any]) -> None:
    reports = [event.json()["report"] for event in told if event.name == "stage.completed"]
    assert reports == reflection["stages"]


@NAMES
def test_the_figures_are_possible(reflection: dict[str, Any]) -> None:
    if reflection["revise_probability"] is not None:
        assert 0 <= reflection["revise_probability"] <= 1
    if reflection["expected_weight"] is not None:
        assert -3 <= reflection["expected_weight"] <= 3
    if reflection["witness"] and reflection["witness"]["weight"] is not None:
        assert reflection["witness"]["weight"] in range(-3, 4)
    for report in reflection["stages"]:
        assert 0 <= report["cached_tokens"] <= report["prompt_tokens"]
        assert report["finish"] in ("stop", "length", "supplied")
        assert report["seconds"] >= (report["first_token_seconds"] or 0) >= 0


@NAMES
def test_each_stage_reads_all_that_was_written_before(reflection: dict[str, Any]) -> None:
    read = [report["prompt_tokens"] for report in reflection["stages"] if report["finish"] != "supplied"]
    assert read == sorted(set(read))


@NAMES
def test_status_outcome_and_problems_agree(reflection: dict[str, Any]) -> None:
    match reflection["status"]:
        case "complete":
            assert reflection["problems"] == []
            assert reflection["outcome"] == {"keep": "kept", "revise": "revised"}[reflection["decision"]]
        case "bypassed":
            assert reflection["outcome"] == "bypassed"
        case status:
            assert reflection["problems"]
            assert reflection["outcome"] == status


@NAMES
def test_a_threshold_decides(reflection: dict[str, Any], name: str) -> None:
    threshold = ASKED[name].get("revise_threshold")
    if threshold is not None and reflection["revise_probability"] is not None:
        assert reflection["decision"] == ("revise" if reflection["revise_probability"] >= threshold else "keep")


@pytest.mark.parametrize("name", ["plain", "revised", "limited", "bypassed"])
def test_the_whole_reply_is_the_streams_last_event(
    http: httpx.Client, target: Target, reflection: dict[str, Any], name: str
) -> None:
    body = {"model": target.model, "messages": MESSAGES, **ASKED[name]}
    whole = http.post(REFLECTIONS, json=body).raise_for_status().json()
    assert whole.keys() == reflection.keys()
    for field in ("status", "outcome", "problems", "draft", "witness", "decision", "answer", "answer_cut"):
        assert whole[field] == reflection[field]


def test_ids_are_never_given_twice(streams: Callable[[str], list[ServerEvent]]) -> None:
    ids = [streams(name)[-1].json()["reflection"]["id"] for name in ASKED]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"refl-[0-9a-f]{32}", one) for one in ids)
