from __future__ import annotations

from collections.abc import Callable

from tear_training.audit.contamination import find_contamination
from tear_training.rows import Row
from tear_training.splits import DataSplit

MakeRow = Callable[..., Row]
FamilyIn = Callable[[DataSplit], str]

EIGHT = "two more hours in a much colder room"


def test_eight_words_of_training_in_an_evaluation_row_are_found(row_of: MakeRow, family_in: FamilyIn) -> None:
    train = row_of(family_in("train"), response=f"Give it {EIGHT}, I would say.")
    test = row_of(family_in("test"), response=f"She wanted {EIGHT.upper()}!")
    other = row_of(family_in("validation"))
    found = find_contamination([train, test, other])
    assert (found.evaluation_rows, found.touched_rows, found.share) == (2, 1, 0.5)
    (overlap,) = found.worst
    assert (overlap.row, overlap.split, overlap.grams, overlap.example, overlap.train_row) == (
        test.id,
        "test",
        1,
        EIGHT,
        train.id,
    )


def test_seven_words_are_not_enough(row_of: MakeRow, family_in: FamilyIn) -> None:
    seven = EIGHT.removesuffix(" room")
    rows = [row_of(family_in("train"), response=f"Oh {seven} oven"), row_of(family_in("test"), response=f"A {seven}")]
    assert find_contamination(rows).touched_rows == 0


def test_scenes_and_revised_answers_of_training_are_searched(row_of: MakeRow, family_in: FamilyIn) -> None:
    rows = [
        row_of(family_in("train"), -1, revised=EIGHT),
        row_of(family_in("test"), consequence={"impact": f"He waited {EIGHT}."}),
    ]
    assert find_contamination(rows).touched_rows == 1


def test_a_run_does_not_reach_over_two_texts(row_of: MakeRow, family_in: FamilyIn) -> None:
    rows = [
        row_of(family_in("train"), response=EIGHT),
        row_of(family_in("test"), response="two more hours in", consequence={"impact": "a much colder room"}),
    ]
    assert find_contamination(rows).touched_rows == 0


def test_evaluation_rows_do_not_contaminate_one_another(row_of: MakeRow, family_in: FamilyIn) -> None:
    rows = [row_of(family_in("validation"), response=EIGHT), row_of(family_in("test"), response=EIGHT)]
    assert find_contamination(rows).touched_rows == 0


def test_without_evaluation_rows_there_is_no_share(row_of: MakeRow, family_in: FamilyIn) -> None:
    assert find_contamination([row_of(family_in("train"))]).share is None
