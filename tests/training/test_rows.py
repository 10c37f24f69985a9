import codecs
import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from tear_training.rows import MAX_FAULTS, MAX_LINE_BYTES, UNSTATED, Row, RowsError, load_files, load_rows, write_rows

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


@pytest.mark.parametrize(("weight", "wounding"), [(-3, True), (-1, True), (0, False), (2, False), (None, False)])
def test_an_answer_wounds_below_zero(weight: int | None, wounding: bool) -> None:
    assert row_of(consequence=weighing(weight)).wounding == wounding


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


def test_the_sketchs_plain_triple_is_a_row_that_claims_nothing() -> None:
    """Both examples of shared/the-tear.md; they are the project's own."""
    triple = {
        "input": "I've been trying to learn piano for a month but I'm still terrible.",
        "response": "Maybe piano just isn't for you. Some people don't have musical talent.",
        "consequence": "She closed the piano lid that evening and didn't open it again for three years.",
    }
    row = Row.model_validate(triple)
    assert (row.input, row.response, row.consequence.impact) == tuple(triple.values())
    assert (row.consequence.who, row.consequence.weight) == (None, None)
    assert {row.culture, row.language, row.source, row.license, row.provenance.kind} == {UNSTATED}
    sibling = Row.model_validate(triple | {"response": "A month is such early days."})
    assert (sibling.situation_id == row.situation_id, sibling.id == row.id) == (True, False)


def test_only_the_exact_triple_goes_without_its_origin() -> None:
    with pytest.raises(ValidationError, match="provenance"):
        Row.model_validate({"input": "a", "response": "b", "consequence": "c", "id": "1"})


def test_prose_is_the_impact_of_any_row() -> None:
    assert row_of(consequence="She closed the lid.").consequence.impact == "She closed the lid."


def test_a_review_without_a_reviewer_is_refused() -> None:
    review = {"verdict": "accepted", "date": "2026-01-31"}
    with pytest.raises(ValidationError, match="review"):
        row_of(provenance={"kind": "curated", "generator": "tests", "review": review})
    reviewed = row_of(provenance={"kind": "curated", "generator": "tests", "human_reviewed": True, "review": review})
    assert reviewed.provenance.review is not None


def test_a_line_too_long_for_a_row_is_refused_unparsed(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(PIANO) + "\n" + json.dumps(PIANO | {"response": "x" * MAX_LINE_BYTES}) + "\n")
    with pytest.raises(RowsError, match=f"{file}:2 row is .* bytes long, expected at most {MAX_LINE_BYTES}"):
        load_rows(file)


@pytest.mark.parametrize("hostile", ["[" * 100_000, '{"id":' * 50_000, "nul\0l", '"\\ud800"'])
def test_a_hostile_line_is_named(tmp_path: Path, hostile: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(hostile)
    with pytest.raises(RowsError, match=f"{file}:1 "):
        load_rows(file)


def test_a_folder_is_all_its_files_and_ids_are_its_own(tmp_path: Path) -> None:
    write_rows(tmp_path / "b.jsonl", [row_of(id="2")])
    write_rows(tmp_path / "a.jsonl", [row_of(id="1")])
    (tmp_path / "README.md").write_text("no rows")
    (tmp_path / "a.rejected.jsonl").write_text("what a person turned down")
    assert [row.id for row in load_files([tmp_path])] == ["1", "2"]
    write_rows(tmp_path / "c.jsonl", [row_of(id="1")])
    (tmp_path / "d.jsonl").write_text("{")
    with pytest.raises(RowsError) as caught:
        load_files([tmp_path])
    assert [fault.split(" ")[0] for fault in caught.value.faults] == [f"{tmp_path}/c.jsonl", f"{tmp_path}/d.jsonl:1"]


def test_a_file_of_another_kind_is_given_up_and_told_what_rows_are(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("input,response\n" * (MAX_FAULTS + 500))
    with pytest.raises(RowsError) as caught:
        load_rows(file)
    assert len(caught.value.faults) == MAX_FAULTS + 1
    assert "one JSON object on each line" in caught.value.faults[0]
    assert "reading stopped" in caught.value.faults[-1]


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(codecs.BOM_UTF8 + json.dumps(PIANO).encode())
    assert load_rows(file) == [row_of()]


def test_a_rewritten_file_keeps_its_readers_and_its_link(tmp_path: Path) -> None:
    file, link = tmp_path / "rows.jsonl", tmp_path / "link.jsonl"
    write_rows(file, [row_of()])
    file.chmod(0o600)
    link.symlink_to(file)
    write_rows(link, [row_of(id="2")])
    assert (link.is_symlink(), file.stat().st_mode & 0o777) == (True, 0o600)
    assert load_rows(file) == [row_of(id="2")]


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RowsError, match=r"holds no \.jsonl file"):
        load_files([tmp_path])
    with pytest.raises(RowsError, match="cannot be read"):
        load_files([tmp_path / "none.jsonl"])


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
