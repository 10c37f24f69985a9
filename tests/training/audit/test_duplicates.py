from __future__ import annotations

from collections.abc import Callable

import pytest

from tear_training.audit import duplicates as duplicates_module
from tear_training.audit.duplicates import find_duplicates
from tear_training.audit.figures import Kind, Repeats
from tear_training.rows import Row
from tear_training.splits import DataSplit

MakeRow = Callable[..., Row]
FamilyIn = Callable[[DataSplit], str]

BREAD = "Your bread is underproofed so give it two more hours in a colder room and then bake it dark"
BREAD_AGAIN = "your bread is underproofed, so give it two more hours in a colder room, and then bake it light!"
BAKER = "Two more hours would help, and a colder room; underproofed bread is no shame and bakes dark all the same"


def repeats_of(rows: list[Row], kind: Kind = "response") -> Repeats:
    return next(one for one in find_duplicates(rows).repeats if one.kind == kind)


def test_a_near_duplicate_across_splits_is_found_and_shown(row_of: MakeRow, family_in: FamilyIn) -> None:
    rows = [row_of(family_in("train"), response=BREAD), row_of(family_in("test"), response=BREAD_AGAIN)]
    found = find_duplicates(rows)
    assert found.across_splits == 1
    (pair,) = found.worst
    assert {pair.first, pair.second} == {rows[0].id, rows[1].id}
    assert {pair.first_split, pair.second_split} == {"train", "test"}
    assert pair.kind == "response"
    assert 0.7 <= pair.jaccard < 1
    assert {pair.first_text, pair.second_text} == {BREAD, BREAD_AGAIN}


def test_answers_that_share_only_words_are_no_duplicates(row_of: MakeRow, family_in: FamilyIn) -> None:
    rows = [row_of(family_in("train"), response=BREAD), row_of(family_in("test"), response=BAKER)]
    assert find_duplicates(rows).worst == ()


def test_a_repeat_within_a_family_is_counted_and_is_no_fault(row_of: MakeRow, family_in: FamilyIn) -> None:
    family = family_in("test")
    rows = [row_of(f"{family}/{place}", response=BREAD) for place in ("kenya", "japan", "brazil")]
    found = find_duplicates(rows)
    assert (found.across_splits, found.worst) == (0, ())
    one = repeats_of(rows)
    assert (one.same_situation, one.same_family, one.other_family, one.across_splits) == (0, 3, 0, 0)


def test_a_repeat_between_families_of_one_split_is_listed_but_not_across(row_of: MakeRow, family_in: FamilyIn) -> None:
    rows = [row_of(family_in("train"), response=BREAD), row_of(family_in("train"), response=BREAD)]
    assert repeats_of(rows).other_family == 1
    found = find_duplicates(rows)
    assert found.across_splits == 0
    assert len(found.worst) == 1


def test_a_revised_answer_is_compared_with_the_answers_of_other_families(row_of: MakeRow, family_in: FamilyIn) -> None:
    rows = [row_of(family_in("train"), -1, revised=BREAD), row_of(family_in("test"), response=BREAD)]
    assert repeats_of(rows).across_splits == 1


def test_a_revised_answer_that_stands_beside_is_counted_within_the_situation(
    row_of: MakeRow, family_in: FamilyIn
) -> None:
    family = family_in("train")
    rows = [row_of(family, -1, revised=BREAD), row_of(family, response=BREAD)]
    one = repeats_of(rows)
    assert (one.same_situation, one.same_family, one.other_family, one.across_splits) == (1, 0, 0, 0)


def test_each_kind_is_compared_with_its_own(row_of: MakeRow, family_in: FamilyIn) -> None:
    rows = [row_of(family_in("train"), response=BREAD), row_of(family_in("test"), input=BREAD)]
    assert find_duplicates(rows).across_splits == 0


def test_scenes_are_compared_as_one_text(row_of: MakeRow, family_in: FamilyIn) -> None:
    told = {"who": "a baker of forty", "impact": "She put the loaf back.", "ripples": "It rose overnight.", "weight": 1}
    rows = [row_of(family_in(split), consequence=told) for split in ("validation", "test")]
    assert repeats_of(rows, "scene").across_splits == 1


def test_an_input_counts_once_for_all_its_answers(row_of: MakeRow, family_in: FamilyIn) -> None:
    here, there = family_in("train"), family_in("test")
    rows = [row_of(family, input=BREAD) for family in (here, here, here, there, there)]
    one = repeats_of(rows, "input")
    assert (one.texts, one.same_situation, one.across_splits) == (2, 0, 1)


def test_messages_are_compared_without_what_a_system_orders(row_of: MakeRow, family_in: FamilyIn) -> None:
    order = {"role": "system", "content": BREAD}
    rows = [
        row_of(family_in(split), messages=[order, {"role": "user", "content": said}])
        for split, said in (("train", "My oven smokes."), ("test", "Nobody came to the table."))
    ]
    assert find_duplicates(rows).across_splits == 0


def test_a_thousand_repeats_are_counted_without_being_listed(row_of: MakeRow, family_in: FamilyIn) -> None:
    here, there = family_in("train"), family_in("test")
    rows = [row_of(f"{family}/{n}", response="Take your time.") for family in (here, there) for n in range(1_000)]
    one = repeats_of(rows)
    assert one.across_splits == 1_000_000
    assert one.same_family == 2 * 1_000 * 999 // 2
    assert len(find_duplicates(rows).worst) == 1


def test_too_many_candidates_are_said_to_be_too_many(
    row_of: MakeRow, family_in: FamilyIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates_module, "MAX_CANDIDATES", 2)
    rows = [row_of(family_in("train"), response=f"{BREAD} {number}") for number in range(5)]
    assert repeats_of(rows).is_capped
    assert not repeats_of(rows, "scene").is_capped


def test_texts_without_words_are_compared_as_they_are(row_of: MakeRow, family_in: FamilyIn) -> None:
    rows = [row_of(family_in(split), response=text) for split, text in (("train", "…"), ("test", "…"), ("test", "?!"))]
    assert repeats_of(rows).across_splits == 1
