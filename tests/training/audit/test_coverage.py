from __future__ import annotations

from collections.abc import Callable

import pytest

from tear_training.audit.coverage import count_answers, count_situations
from tear_training.audit.grid import coverage_lines
from tear_training.rows import Row

MakeRow = Callable[..., Row]


def test_a_square_has_four_answers_and_two_of_each_side(row_of: MakeRow) -> None:
    weights = {"square": (1, 2, -1, -3), "five": (1, 2, -1, -1, 0), "three": (1, 2, -1), "one closes": (1, 2, 3, -1)}
    found = count_situations([row_of(name, weight) for name, each in weights.items() for weight in each])
    assert (found.total, found.two_open, found.two_close, found.square) == (4, 4, 2, 2)
    assert (found.answers_min, found.answers_mean, found.answers_max) == (3, 4.0, 5)


@pytest.mark.parametrize(
    ("answers", "turning", "families"),
    [
        ((("late/kenya", 1), ("late/japan", -1)), 2, 1),
        ((("late/kenya", 1), ("late/japan", -1), ("late/brazil", 2)), 3, 1),
        ((("late/kenya", 1), ("late/japan", 2)), 0, 0),
        ((("late/kenya", 1), ("late/japan", 0)), 0, 0),
        ((("late/kenya", 1), ("late/kenya", -1)), 0, 0),
        ((("late", 1), ("early", -1)), 0, 0),
    ],
    ids=["turns", "three settings", "same side", "no trace", "one setting", "two families"],
)
def test_an_answer_turns_its_effect_between_settings_of_a_family(
    row_of: MakeRow, answers: tuple[tuple[str, int], ...], turning: int, families: int
) -> None:
    rows = [row_of(situation, weight, response="No. Two more hours.") for situation, weight in answers]
    found = count_situations(rows)
    assert (found.turning, found.turning_families) == (turning, families)


def test_manner_is_crossed_with_effect(row_of: MakeRow) -> None:
    rows = [
        row_of("a", 2, traits=["soft"]),
        row_of("a", 1, traits=["blunt"]),
        row_of("a", 1, traits=["blunt", "no"]),
        row_of("a", -1, traits=["soft"]),
        row_of("a", -2, traits=["blunt", "bad_news"]),
        row_of("a", 0, traits=["soft", "mixed"]),
        row_of("a", None, traits=["blunt", "crisis"]),
    ]
    assert count_answers(rows).by_manner == {
        "soft and kind": 1,
        "blunt but kind": 2,
        "soft but wounding": 1,
        "blunt and wounding": 1,
        "neutral": 1,
        "mixed": 1,
        "bad_news": 1,
        "no": 1,
        "crisis": 1,
    }


def test_every_weight_is_counted_and_its_absence_too(row_of: MakeRow) -> None:
    rows = [row_of("a", weight) for weight in (-3, 1, 1, 0, None)]
    counted = {"-3": 1, "-2": 0, "-1": 0, "0": 1, "1": 2, "2": 0, "3": 0, "none": 1}
    assert count_answers(rows).by_weight == counted


def test_situations_are_counted_by_component_and_culture_once_each(row_of: MakeRow) -> None:
    rows = [
        row_of("a", component="warmth", culture="japan"),
        row_of("a", component="warmth", culture="japan"),
        row_of("b", component="repair", culture="japan"),
        row_of("c", component="repair", culture="kenya"),
    ]
    found = count_situations(rows)
    assert found.by_component == {"warmth": 1, "consequence": 0, "subtle": 0, "repair": 2}
    assert found.by_culture == {"japan": 2, "kenya": 1}
    assert count_answers(rows).by_component == {"warmth": 2, "consequence": 0, "subtle": 0, "repair": 2}


def test_warmth_in_several_turns_is_counted_by_situation(row_of: MakeRow) -> None:
    hello, reply = {"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Yes?"}
    rows = [
        row_of("a", component="warmth", messages=[hello, reply, hello]),
        row_of("a", component="warmth", messages=[hello, reply, hello]),
        row_of("b", component="warmth", messages=[hello]),
        row_of("c", component="subtle", messages=[hello, reply, hello]),
    ]
    assert count_situations(rows).multi_turn_warmth == 1


def test_opening_answers_of_each_crisis_are_counted(row_of: MakeRow) -> None:
    rows = [row_of("night", weight, traits=["crisis"]) for weight in (2, 1, -1)]
    rows += [row_of("bridge", -1, traits=["crisis"]), row_of("bread", 1)]
    found = [(crisis.situation, crisis.answers, crisis.opens) for crisis in count_situations(rows).crises]
    assert found == [("bridge", 1, 0), ("night", 3, 2)]


def test_the_grid_crosses_component_difficulty_and_culture(row_of: MakeRow) -> None:
    rows = [
        row_of("a", component="warmth", difficulty="obvious", culture="japan"),
        row_of("a", component="warmth", difficulty="subtle", culture="japan"),
        row_of("b", component="repair", difficulty="subtle", culture="kenya"),
        row_of("b", component="repair", difficulty="subtle", culture="kenya"),
    ]
    found = [(line.culture, line.cells) for line in coverage_lines(count_answers(rows).cells)]
    assert found == [
        ("japan", ("1 / 0 / 1", "0 / 0 / 0", "0 / 0 / 0", "0 / 0 / 0")),
        ("kenya", ("0 / 0 / 0", "0 / 0 / 0", "0 / 0 / 0", "0 / 0 / 2")),
    ]


def test_origin_is_counted(row_of: MakeRow) -> None:
    by_model = {"kind": "generated", "generator": "a model", "human_reviewed": True}
    rows = [row_of("a"), row_of("a"), row_of("a"), row_of("a", license="CC-BY-4.0", provenance=by_model)]
    found = count_answers(rows)
    assert found.by_license == {"Apache-2.0": 3, "CC-BY-4.0": 1}
    assert found.by_provenance == {"curated": 3, "generated": 1}
    assert found.by_generator == {"tests": 3, "a model": 1}
    assert found.reviewed_share == 0.25
