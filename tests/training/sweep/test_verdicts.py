"""Laws of the bars: those of the issue, and an honest word where they are not reached."""

from __future__ import annotations

import pytest

from tear_training.sweep.verdicts import BARS, Value, judge


def test_the_bars_are_those_of_the_issue() -> None:
    assert [(bar.figure, bar.against, bar.expected) for bar in BARS] == [
        ("d2_held_out", "lambda-0", "at least +0.20, interval above 0"),
        ("d2_held_out", "sham", "at least +0.20, interval above 0"),
        ("d4_gain", None, "at least 0.10"),
        ("kept_kind", None, "at least 0.80"),
        ("draft_opens", "lambda-0", "at least +0.15"),
        ("perplexity_ratio", None, "at most 1.02"),
    ]


def value(value: float, low: float = 0.01) -> Value:
    return Value(value=value, low=low, high=value + 1)


@pytest.mark.parametrize(
    ("place", "found", "state"),
    [
        (0, value(0.20), "reached"),
        (0, value(0.19), "not reached"),
        (0, value(0.50, low=0.0), "not reached"),
        (1, None, "not measured"),
        (2, value(0.10, low=-1), "reached"),
        (3, value(0.79), "not reached"),
        (5, value(1.02), "reached"),
        (5, value(1.03), "not reached"),
    ],
)
def test_a_bar_is_reached_from_its_value_on(place: int, found: Value | None, state: str) -> None:
    assert BARS[place].judge("lambda-1", found).state == state


def test_every_condition_is_held_to_every_bar() -> None:
    figures = {("lambda-1", "kept_kind"): value(0.9)}
    differences = {("lambda-2", "sham", "d2_held_out"): value(0.3)}
    found = {(each.condition, each.bar): each.state for each in judge(["lambda-1", "lambda-2"], figures, differences)}
    assert len(found) == 2 * len(BARS)
    assert found["lambda-1", BARS[3].title] == "reached"
    assert found["lambda-2", BARS[1].title] == "reached"
    assert sum(state == "not measured" for state in found.values()) == 10
