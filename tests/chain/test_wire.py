from __future__ import annotations

import json
from dataclasses import replace
from typing import get_args

import pytest

from tear_chain.events import Completed, Event, Failed, ScoredToken, StageCompleted, StageStarted, TextDelta, Witnessed
from tear_chain.wire import EVENT_NAMES, dump_event, dump_reflection, load_event, load_reflection
from tear_chain.words import Decision, Field, Outcome, Problem, Reflection, Scene, Stage, StageReport, Status

HARD_TEXT = 'line\nbreak\r\n\u2028\u0085 "quotes" \\ 👩‍👩‍👧‍👦 漢 </s> \0'
REPORT = StageReport(Stage.DRAFT, 12, 30, 8, 0.25, 1.5, "stop")
SCENE = Scene(HARD_TEXT, "impact", None, -3)
REFLECTION = Reflection(
    id="refl-1",
    model="tear-nano",
    adapter=None,
    status=Status.MALFORMED,
    outcome=Outcome.MALFORMED,
    problems=(Problem.MISSING_RIPPLES, Problem.CUT_REVISION),
    draft=HARD_TEXT,
    witness=SCENE,
    expected_weight=-2.25,
    decision=Decision.REVISE,
    revise_probability=0.5,
    answer="better",
    answer_cut=True,
    stages=(REPORT, replace(REPORT, stage=Stage.REVISED, first_token_seconds=None)),
)
EVENTS: list[Event] = [
    StageStarted(Stage.WITNESS),
    TextDelta(Stage.DRAFT, None, HARD_TEXT),
    TextDelta(Stage.WITNESS, Field.IMPACT, "She"),
    StageCompleted(REPORT, HARD_TEXT),
    Witnessed(SCENE, -2.25, Decision.REVISE, 0.5),
    Witnessed(Scene(), None, Decision.KEEP, None),
    Completed(REFLECTION),
    Failed("engine_error", "The engine failed."),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_as_it_was_sent(event: Event) -> None:
    assert load_event(*dump_event(event)) == event


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_json_on_one_line(event: Event) -> None:
    name, dumped = dump_event(event)
    assert isinstance(json.loads(dumped), dict)
    assert b"\n" not in dumped
    assert b"\r" not in dumped
    assert name == EVENT_NAMES[type(event)]


def test_every_event_has_a_name_of_its_own() -> None:
    assert set(EVENT_NAMES) == set(get_args(Event))
    assert len(set(EVENT_NAMES.values())) == len(EVENT_NAMES)


def test_an_event_that_this_version_does_not_know_is_none() -> None:
    assert load_event("reflection.dreamt", b"{}") is None


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("text.delta", "not json"),
        ("text.delta", "{}"),
        ("text.delta", '{"stage": "dream", "field": null, "text": ""}'),
        (
            "reflection.witnessed",
            '{"scene": {"weight": 4}, "expected_weight": null, "decision": "keep", "revise_probability": null}',
        ),
    ],
    ids=["no-json", "missing", "unknown-stage", "weight-out-of-range"],
)
def test_data_that_does_not_fit_its_name_is_a_value_error(name: str, data: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        load_event(name, data)


def test_a_reflection_comes_back_from_its_json_object() -> None:
    assert load_reflection(json.dumps(dump_reflection(REFLECTION))) == REFLECTION


def test_keys_of_a_later_version_are_ignored() -> None:
    later = dump_reflection(REFLECTION) | {"mood": "calm"}
    assert load_reflection(json.dumps(later)) == REFLECTION


def test_the_json_object_says_the_words_of_the_product() -> None:
    dumped = dump_reflection(REFLECTION)
    assert list(dumped) == [
        *("id", "model", "adapter", "status", "outcome", "problems", "draft", "witness", "expected_weight"),
        *("decision", "revise_probability", "answer", "answer_cut", "stages", "answer_stage"),
    ]
    assert (dumped["status"], dumped["decision"], dumped["problems"][0]) == ("malformed", "revise", "missing_ripples")
    assert list(dumped["witness"]) == ["who", "impact", "ripples", "weight"]


def test_scored_tokens_stay_off_the_wire() -> None:
    """They are bytes, perhaps no whole character, and replies tell them in a shape of their own."""
    delta = TextDelta(Stage.DRAFT, None, "so", tokens=3, scored=(ScoredToken(b"\xf0\x9f", -1.0, ()),))
    name, data = dump_event(delta)
    assert json.loads(data) == {"stage": "draft", "field": None, "text": "so", "tokens": 3}
    assert load_event(name, data) == TextDelta(Stage.DRAFT, None, "so", tokens=3)


def test_a_delta_of_an_earlier_version_is_read() -> None:
    read = load_event("text.delta", '{"stage": "draft", "field": null, "text": "so"}')
    assert read == TextDelta(Stage.DRAFT, None, "so")


def test_a_reflection_of_an_earlier_version_is_read() -> None:
    dumped = dump_reflection(REFLECTION)
    del dumped["answer_stage"]
    assert load_reflection(json.dumps(dumped)).answer_stage is None
