from __future__ import annotations

from typing import Any

import pytest
from training.expand.conftest import situation, words

from tear_training.expand.cache import Request, Sampling
from tear_training.expand.filters import Origin, Said, length_fault, make_rows
from tear_training.expand.plan import ExpandPlan
from tear_training.expand.prompts import writer_messages
from tear_training.expand.shapes import ReplyFault, WrittenSituation
from tear_training.rows import Row

ASK = ExpandPlan(components=("subtle",), cultures=("japan",), difficulties=("moderate",)).asks()[0]
ORIGIN = Origin(writer="writer", license="CC0-1.0", language="en")


def request_of(seed: int = 5) -> Request:
    return Request("writer", writer_messages(ASK, language="en"), Sampling(seed))


def written(seed: int = 5, **changes: object) -> dict[str, Any]:
    return situation({"messages": [{"role": "user", "content": "Write."}], "seed": seed}) | changes


def rows_of(told: dict[str, Any], seed: int = 5) -> tuple[Row, ...]:
    return make_rows(WrittenSituation.model_validate(told), ASK, request_of(seed), origin=ORIGIN)


def with_answer(place: int, **changes: object) -> dict[str, Any]:
    told = written()
    told["answers"][place] |= changes
    return told


def test_a_row_says_where_it_comes_from() -> None:
    row = rows_of(written())[1]
    assert row.model_dump(include={"component", "difficulty", "culture", "language", "source", "license"}) == {
        "component": "subtle",
        "difficulty": "moderate",
        "culture": "japan",
        "language": "en",
        "source": "tear data expand with writer",
        "license": "CC0-1.0",
    }
    assert row.provenance.model_dump(exclude_none=True) == {
        "kind": "generated",
        "generator": "writer",
        "prompt_digest": request_of().prompt_digest,
        "seed": 5,
        "human_reviewed": False,
    }
    assert (row.traits, row.consequence.weight, row.wounding) == (("soft",), -2, True)


def test_answers_to_one_situation_share_it_and_other_situations_have_another() -> None:
    first, second = rows_of(written()), rows_of(written(6), 6)
    assert len({row.situation_id for row in first}) == 1
    assert {row.situation_id for row in first}.isdisjoint(row.situation_id for row in second)
    assert len({row.id for row in first + second}) == 8


def test_several_turns_become_messages() -> None:
    turns = [{"role": role, "content": words(role)} for role in ("user", "assistant", "user")]
    row = rows_of(written(messages=turns))[0]
    assert row.input is None
    assert [message.role for message in row.conversation] == ["user", "assistant", "user"]


def test_crisis_and_kind_are_traits() -> None:
    told = with_answer(0, kind="no") | {"crisis": True}
    assert [row.traits for row in rows_of(told)][:2] == [("soft", "no", "crisis"), ("soft", "crisis")]


def test_only_an_answer_that_closes_is_revised() -> None:
    rows = rows_of(with_answer(0, revised=words("needless")))
    assert [row.revised is not None for row in rows] == [False, True, False, True]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (with_answer(0, weight=-1), "no soft answer that opens"),
        (with_answer(3, manner="plain"), "no blunt answer that closes"),
        (with_answer(2, weight=0), "no blunt answer that opens"),
        (with_answer(2, response=written()["answers"][0]["response"]), "the same answer stands twice"),
        (written(messages=[]), "messages: must end"),
        (written(messages=[{"role": "assistant", "content": "Hello"}]), "messages: must end"),
        (written(messages=[{"role": "user", "content": " "}]), "input"),
        (with_answer(1, impact=""), "consequence.impact"),
    ],
    ids=["no opening", "no manner", "no weight", "twice", "no turns", "ends with assistant", "blank", "no impact"],
)
def test_a_situation_without_its_square_is_refused(told: dict[str, Any], reason: str) -> None:
    with pytest.raises(ReplyFault, match=reason):
        rows_of(told)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"response": words("x", count=9)}, "length: response has 9 words"),
        ({"response": words("x", count=10)}, None),
        ({"response": " ".join(["word"] * 60)}, None),
        ({"response": " ".join(["word"] * 61)}, "length: response has 61 words"),
        ({"revised": "Too short."}, "length: revised has 2 words"),
        ({"weight": -3}, "weight: 3 in size"),
    ],
    ids=["short", "shortest", "longest", "long", "short revision", "too heavy for small things"],
)
def test_an_answer_is_measured(changes: dict[str, object], fault: str | None) -> None:
    found = length_fault(rows_of(with_answer(1, **changes))[1])
    assert found is fault is None or (found is not None and fault is not None and found.startswith(fault))


def test_siblings_are_no_duplicates_of_one_another() -> None:
    rows = rows_of(written())
    assert [Said(rows[:place]).fault(row) for place, row in enumerate(rows)] == [None] * 4


@pytest.mark.parametrize("kind", ["input", "response", "scene", "revised"])
def test_what_was_nearly_said_before_is_found(kind: str) -> None:
    first = rows_of(written())[1]
    other = written(6)
    near = {
        "input": lambda: other["messages"][0].update(content=f"{first.input} Please."),
        "response": lambda: other["answers"][1].update(response=f"Well, {first.response}"),
        "revised": lambda: other["answers"][1].update(response=f"Well, {first.revised}"),
        "scene": lambda: other["answers"][1].update(
            who=first.consequence.who, impact=first.consequence.impact, ripples=f"{first.consequence.ripples}!"
        ),
    }
    near[kind]()
    found = Said([first]).fault(rows_of(other, 6)[1])
    assert found is not None
    assert found.startswith("near-duplicate")
    assert first.id in found


@pytest.mark.parametrize(("changed", "is_duplicate"), [(3, True), (4, False)])
def test_the_bar_is_at_seven_tenths_of_the_shingles(changed: int, is_duplicate: bool) -> None:
    # 22 words have 20 shingles. With n new words at the end 20 - n are shared, of 20 + n: 17/23 = 0.74, 16/24 = 0.67.
    first, other = written(), written(6)
    common = words("common", count=22).split()
    first["answers"][1]["response"] = " ".join(common)
    other["answers"][1]["response"] = " ".join(common[: 22 - changed] + words("new").split()[:changed])
    assert (Said([rows_of(first)[1]]).fault(rows_of(other, 6)[1]) is not None) == is_duplicate
