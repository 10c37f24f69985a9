from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from tear_training.audit import leaks as leaks_module
from tear_training.audit.figures import Guess, LeakField, Scope
from tear_training.audit.leaks import find_leaks
from tear_training.rows import Row

MakeRow = Callable[..., Row]
MakeSet = Callable[..., list[Row]]


def guess_of(rows: list[Row], field: LeakField = "response", scope: Scope = "whole") -> Guess:
    leak = find_leaks(rows).of(field, scope)
    assert leak.guess is not None, leak.why
    return leak.guess


@pytest.mark.parametrize("scope", ["whole", "hard"])
def test_a_set_that_a_question_mark_solves_is_seen_through(set_of: MakeSet, scope: Scope) -> None:
    assert guess_of(set_of(opening="?", closing="."), scope=scope).accuracy.value > 0.85


def test_the_mark_that_solves_a_set_is_the_first_word_that_tells(set_of: MakeSet) -> None:
    first = find_leaks(set_of(opening="?", closing=".")).tells[0]
    assert (first.word, first.opens, first.closes) == ("?", 80, 0)


def test_a_set_with_shuffled_labels_stays_near_chance(set_of: MakeSet) -> None:
    rows = set_of(families=60)
    weights = [row.consequence.weight for row in rows]
    Random(1).shuffle(weights)
    shuffled = [
        row.model_copy(update={"consequence": row.consequence.model_copy(update={"weight": weight})})
        for row, weight in zip(rows, weights, strict=True)
    ]
    assert 0.4 < guess_of(shuffled).value < 0.6


def test_each_field_is_read_by_itself(row_of: MakeRow) -> None:
    rows = [
        row_of(f"story-{family}", weight, consequence={"impact": impact, "weight": weight})
        for family in range(30)
        for weight, impact in ((2, "She laughed."), (-2, "She left."))
    ]
    found = {field: guess_of(rows, field).value for field in ("response", "consequence", "input")}
    assert found["consequence"] == 1.0
    assert found["response"] < 0.7
    assert found["input"] == 0.5


def test_a_word_of_one_family_tells_nothing_about_another(row_of: MakeRow) -> None:
    # Were a family divided between training and held-out rows, its own word would give every answer away.
    rows = [
        row_of(f"story-{family}", 1 if family % 2 else -1, response=f"own{family}")
        for family in range(40)
        for _ in range(5)
    ]
    assert guess_of(rows).value <= 0.6


def test_the_better_detector_is_reported(row_of: MakeRow) -> None:
    # The same words in another order: only pairs of words tell the sides apart.
    rows = [
        row_of(f"story-{family}", weight, response=response)
        for family in range(30)
        for weight, response in ((1, "not wrong but good"), (-1, "not good but wrong"))
    ]
    guess = guess_of(rows)
    assert guess.reads == "words and pairs"
    assert guess.accuracy.value == 1.0


def test_a_lopsided_set_is_judged_by_the_larger_accuracy(row_of: MakeRow) -> None:
    rows = [row_of(f"story-{number}", -1 if number % 10 == 0 else 1) for number in range(200)]
    guess = guess_of(rows)
    assert guess.majority == 0.9
    assert guess.balanced.value < 0.65 < guess.accuracy.value == guess.value


def test_the_interval_holds_the_accuracy_and_narrows_with_more_families(set_of: MakeSet) -> None:
    few, many = (guess_of(set_of(families=families)).accuracy for families in (10, 160))
    assert few.low <= few.value <= few.high
    assert many.low <= many.value <= many.high
    assert many.high - many.low < few.high - few.low


def test_only_rows_with_a_side_are_read(set_of: MakeSet, row_of: MakeRow) -> None:
    rows = set_of(families=10)
    unsigned = [row_of("other", 0), row_of("other", None)]
    assert find_leaks(rows + unsigned).of("response", "whole").rows == len(rows)


def test_the_hard_split_is_test_rows_that_are_not_obvious(row_of: MakeRow, family_in: Callable[..., str]) -> None:
    rows = [
        row_of(family_in(split), weight, difficulty=difficulty)
        for split in ("train", "validation", "test")
        for difficulty in ("obvious", "moderate", "subtle")
        for weight in (1, -1) * 8
    ]
    assert find_leaks(rows).of("response", "hard").rows == 32


@pytest.mark.parametrize(
    ("families", "weights", "why"),
    [
        (4, (1, 1, -1, -1), "16 opening or closing rows"),
        (4, (1, 1, 1, -1, -1, -1), "4 families"),
        (10, (1, 1, 2), "all 30 rows open"),
        (0, (), "0 opening or closing rows"),
    ],
    ids=["few rows", "few families", "one side", "none"],
)
def test_what_is_too_little_is_not_measured(row_of: MakeRow, families: int, weights: tuple[int, ...], why: str) -> None:
    rows = [row_of(f"story-{family}", weight) for family in range(families) for weight in weights]
    for leak in find_leaks(rows).leaks:
        assert leak.guess is None
        assert leak.why is not None
    said = find_leaks(rows).of("response", "whole").why
    assert said is not None
    assert said.startswith(why)


def test_texts_without_words_are_not_measured(row_of: MakeRow) -> None:
    rows = [row_of(f"story-{family}", weight, response="…") for family in range(20) for weight in (1, -1)]
    leak = find_leaks(rows).of("response", "whole")
    assert (leak.guess, leak.why) == (None, "the texts hold no words")


def test_a_large_set_is_read_by_whole_families(set_of: MakeSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks_module, "MAX_ROWS", 90)
    found = find_leaks(set_of(families=40))
    assert found.sampled_rows == 88
    assert found.of("response", "whole").families == 22


def test_a_set_that_is_read_whole_says_nothing_of_a_sample(set_of: MakeSet) -> None:
    assert find_leaks(set_of(families=10)).sampled_rows is None
