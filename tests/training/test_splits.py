from collections import Counter

import pytest

from tear_training.rows import Row
from tear_training.splits import is_hard, rows_of, split_of

PIANO = {"input": "I'm terrible at the piano.", "response": "Perhaps.", "consequence": "She closed the lid."}
PLACES = {"piano": "train", "late-reply": "train", "grief-1": "test"}
FAMILIES = [f"family-{number}" for number in range(5000)]


def row_of(**changes: object) -> Row:
    return Row.model_validate(PIANO).model_copy(update=changes)


def test_a_split_is_settled_by_the_name_alone() -> None:
    """These names stay where they are for good: moving one would put what was trained on into the test."""
    assert {name: split_of(name) for name in ("piano", "late-reply", "grief-1")} == PLACES


def test_all_settings_of_a_family_are_in_its_split() -> None:
    for name in FAMILIES[:200]:
        assert len({split_of(name), split_of(f"{name}/japan"), split_of(f"{name}/united-states")}) == 1


def test_a_fifth_is_for_the_test_and_a_tenth_for_validation() -> None:
    shares = Counter(map(split_of, FAMILIES))
    assert shares["test"] / len(FAMILIES) == pytest.approx(0.2, abs=0.02)
    assert shares["validation"] / len(FAMILIES) == pytest.approx(0.1, abs=0.02)


def test_every_row_is_in_exactly_one_split() -> None:
    rows = [row_of(id=name, situation_id=name) for name in FAMILIES[:300]]
    parts = [rows_of(split, rows) for split in ("train", "validation", "test")]
    assert sorted(row.id for part in parts for row in part) == sorted(row.id for row in rows)


def test_hard_are_the_test_rows_that_are_not_obvious() -> None:
    test = next(name for name in FAMILIES if split_of(name) == "test")
    train = next(name for name in FAMILIES if split_of(name) == "train")
    hard = [
        (name, difficulty)
        for name in (test, train)
        for difficulty in ("obvious", "moderate", "subtle")
        if is_hard(row_of(situation_id=name, difficulty=difficulty))
    ]
    assert hard == [(test, "moderate"), (test, "subtle")]
