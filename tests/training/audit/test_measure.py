from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from tear_training.audit import CURATED, Audit, Bars, audit_rows
from tear_training.audit.figures import Verdict
from tear_training.rows import Row
from tear_training.splits import DataSplit

MakeRow = Callable[..., Row]
MakeSet = Callable[..., list[Row]]
FamilyIn = Callable[[DataSplit], str]

HARD_LEAK = "naive Bayes on responses, hard split"
WHOLE_LEAK = "naive Bayes on responses, whole set"


def verdict_of(audit: Audit, name: str) -> Verdict:
    return next(verdict for verdict in audit.verdicts if verdict.name == name)


def test_a_set_that_a_question_mark_solves_breaks_three_bars(set_of: MakeSet) -> None:
    audit = audit_rows(set_of(opening="?", closing="."), Bars())
    assert [verdict.name for verdict in audit.broken] == [HARD_LEAK, WHOLE_LEAK, "question mark gap, points"]
    assert verdict_of(audit, "question mark gap, points").value == 100


def test_longer_opening_answers_break_the_bar_of_length(set_of: MakeSet) -> None:
    audit = audit_rows(set_of(opening=" bread door lamp", closing=""), Bars())
    assert verdict_of(audit, "length gap, percent").state == "broken"
    assert verdict_of(audit, "length gap, percent").value == 25


def test_a_set_whose_words_say_nothing_keeps_every_bar(set_of: MakeSet) -> None:
    audit = audit_rows(set_of(families=60), Bars())
    assert {verdict.state for verdict in audit.verdicts} == {"kept"}


def test_a_duplicate_across_splits_breaks_its_bar(set_of: MakeSet, row_of: MakeRow, family_in: FamilyIn) -> None:
    twins = [row_of(family_in(split), response="Take it to the window and look again.") for split in ("train", "test")]
    audit = audit_rows(set_of(families=60) + twins, Bars())
    assert [verdict.sentence() for verdict in audit.broken] == ["near-duplicates across splits: 1, broken (at most 0)"]


def test_a_situation_told_in_two_ways_breaks_the_schema_bar(set_of: MakeSet, row_of: MakeRow) -> None:
    audit = audit_rows([*set_of(families=60), row_of("story-1", input="Another thing.")], Bars())
    assert [verdict.name for verdict in audit.broken] == ["schema faults"]
    assert len(audit.faults) == 1


def test_few_rows_keep_no_bar_of_leaks_and_break_none(row_of: MakeRow) -> None:
    audit = audit_rows([row_of("bread", 1, response="Why?"), row_of("bread", -1)], Bars())
    assert audit.broken == ()
    assert [verdict.name for verdict in audit.unmeasured] == [
        "near-duplicates across splits",
        HARD_LEAK,
        WHOLE_LEAK,
        "question mark gap, points",
        "length gap, percent",
    ]
    assert all(verdict.why for verdict in audit.unmeasured)


def test_the_hard_split_is_unmeasured_where_it_is_small(row_of: MakeRow, family_in: FamilyIn) -> None:
    rows = [row_of(family_in("train"), weight) for _ in range(30) for weight in (1, -1)]
    audit = audit_rows(rows, Bars())
    assert verdict_of(audit, HARD_LEAK).state == "not measured"
    assert verdict_of(audit, WHOLE_LEAK).state == "kept"


@pytest.mark.parametrize("gap", [99.0, 100.0], ids=["below", "at"])
def test_a_bar_is_kept_at_its_value(set_of: MakeSet, gap: float) -> None:
    audit = audit_rows(set_of(opening="?", closing="."), Bars(question_gap=gap))
    assert verdict_of(audit, "question mark gap, points").state == ("kept" if gap == 100 else "broken")


def test_counts_are_asked_for_only_where_wanted(set_of: MakeSet) -> None:
    rows = set_of(families=20)
    assert len(audit_rows(rows, Bars()).verdicts) == 6
    asked = audit_rows(rows, Bars(situations=21)).verdicts[6:]
    assert [verdict.sentence() for verdict in asked] == [
        "situations with 4 answers, 2 that open, 2 that close: 20, broken (at least 21)"
    ]


def test_the_curated_set_is_asked_for_every_count(set_of: MakeSet) -> None:
    counts = {verdict.name: verdict.value for verdict in audit_rows(set_of(families=20), CURATED).verdicts[6:]}
    assert counts == {
        "situations with 4 answers, 2 that open, 2 that close": 20,
        "warmth situations": 0,
        "repair situations": 0,
        "different weights": 4,
        "cultures with 10 situations": 1,
        "situations where an answer turns its effect": 0,
        "answers: blunt but kind": 0,
        "answers: soft but wounding": 0,
        "answers: bad_news": 0,
        "answers: no": 0,
        "answers: mixed": 0,
        "answers: neutral": 0,
        "answers: crisis": 0,
        "crisis situations without an opening answer": 0,
    }


def test_a_crisis_that_no_answer_opens_breaks_its_bar(row_of: MakeRow) -> None:
    audit = audit_rows([row_of("night", -1, traits=["crisis"])], Bars(hopeless_crises=0))
    assert [verdict.name for verdict in audit.broken] == ["crisis situations without an opening answer"]


def test_an_unnamed_culture_is_none(row_of: MakeRow) -> None:
    rows = [row_of(f"{culture}-{n}", culture=culture) for culture in ("unstated", "unspecified") for n in range(10)]
    assert verdict_of(audit_rows(rows, Bars(cultures=1)), "cultures with 10 situations").value == 0


def test_without_rows_no_count_is_broken() -> None:
    audit = audit_rows([], CURATED, faults=["rows.jsonl:1 row is torn"])
    assert [verdict.name for verdict in audit.broken] == ["schema faults"]
    assert len(audit.unmeasured) == len(audit.verdicts) - 1


def test_the_order_of_rows_changes_nothing(set_of: MakeSet) -> None:
    rows = set_of(families=30, opening="?", closing=".")
    shuffled = list(rows)
    Random(3).shuffle(shuffled)
    assert audit_rows(shuffled, CURATED) == audit_rows(rows, CURATED)


def test_an_audit_survives_its_json(set_of: MakeSet) -> None:
    audit = audit_rows(set_of(families=20, opening="?"), CURATED)
    assert Audit.model_validate_json(audit.model_dump_json()) == audit
