import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from tear_training.rows import Row, RowsError, load_rows, write_rows

PIANO = {
    "id": "1",
    "situation_id": "piano",
    "input": "I've been trying to learn piano for a month but I'm still terrible.",
    "response": "Maybe piano just isn't for you.",
    "consequence": {"impact": "She closed the lid.", "weight": -2},
    "revised": "A month is early days. What made you want to start?",
    "component": "consequence",
    "difficulty": "obvious",
    "culture": "unspecified",
    "language": "en",
    "source": "tests",
    "license": "Apache-2.0",
    "provenance": {"kind": "curated", "generator": "tests"},
}


def row_of(**changes: object) -> Row:
    return Row.model_validate({name: value for name, value in (PIANO | changes).items() if value is not None})


def weighing(weight: int | None) -> dict[str, object]:
    return {"impact": "She closed the lid."} | ({} if weight is None else {"weight": weight})


@pytest.mark.parametrize(
    ("weight", "revised", "learnable"),
    [
        (-1, "better", "better"),
        (-1, None, None),
        (0, None, PIANO["response"]),
        (2, None, PIANO["response"]),
        (None, None, PIANO["response"]),
    ],
    ids=["wounding revised", "wounding unrevised", "traceless", "opening", "unweighed"],
)
def test_a_wounding_answer_is_never_learnable(weight: int | None, revised: str | None, learnable: str | None) -> None:
    row = row_of(consequence=weighing(weight), revised=revised)
    assert row.wounding == (weight is not None and weight < 0)
    assert row.learnable_answer == learnable


def test_input_is_a_conversation_of_one_turn() -> None:
    messages = [{"role": "user", "content": PIANO["input"]}]
    assert row_of().conversation == row_of(input=None, messages=messages).conversation


@pytest.mark.parametrize(
    "changes",
    [
        {"messages": [{"role": "user", "content": "Hello"}]},
        {"input": None},
        {"input": None, "messages": [{"role": "assistant", "content": "Hello"}]},
        {"input": None, "messages": []},
        {"response": "  "},
        {"mood": "sad"},
        {"consequence": {"impact": "x", "weight": 4}},
        {"consequence": {"impact": "x", "weight": 1.5}},
        {"component": "kindness"},
    ],
    ids=["both", "neither", "ends with assistant", "no turns", "blank", "unknown", "too heavy", "half", "component"],
)
def test_a_row_that_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        row_of(**changes)


def test_rows_survive_the_file(tmp_path: Path) -> None:
    rows = [row_of(), row_of(id="2", input="Naïve 🎹 練習", revised=None)]
    assert write_rows(tmp_path / "rows.jsonl", rows) == 2
    assert load_rows(tmp_path / "rows.jsonl") == rows


def test_all_faults_of_a_file_are_in_one_report(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    lines = [
        json.dumps(PIANO),
        json.dumps(PIANO | {"id": "2", "mood": "sad", "consequence": {"impact": "x", "weight": 9}}),
        "{not json",
        "",
        json.dumps(PIANO),
    ]
    file.write_bytes("\n".join(lines).encode() + b"\n\xff\xfe\n")
    with pytest.raises(RowsError) as caught:
        load_rows(file)
    where = [fault.split(" ")[:2] for fault in caught.value.faults]
    assert where == [
        [f"{file}:2", "consequence.weight"],
        [f"{file}:2", "mood"],
        [f"{file}:3", "row"],
        [f"{file}:5", "id"],
        [f"{file}:6", "row"],
    ]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    write_rows(file, [row_of()])

    def torn() -> object:
        yield row_of(id="2")
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        write_rows(file, torn())  # type: ignore[arg-type]
    assert load_rows(file) == [row_of()]
