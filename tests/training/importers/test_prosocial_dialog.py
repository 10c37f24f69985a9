import json
from pathlib import Path

import pytest

from tear_training.examples import is_gentle
from tear_training.importers import import_file
from tear_training.importers.prosocial_dialog import MAX_EXCHANGES
from tear_training.rows import RowsError, load_rows

FILE = Path(__file__).parent / "fixtures" / "prosocial_dialog.jsonl"
LINES = FILE.read_text().splitlines()


def test_the_impact_of_a_response_is_what_the_user_says_next(tmp_path: Path) -> None:
    import_file("prosocial-dialog", FILE, tmp_path / "out")
    first, second = load_rows(tmp_path / "out")
    assert first.response == "How would you feel if she read yours?"
    assert first.consequence.impact == "I would be furious, to be honest."
    assert [said.content for said in second.conversation] == [
        "I read my sister's diary while she was out.",
        "How would you feel if she read yours?",
        "I would be furious, to be honest.",
    ]
    assert second.consequence.impact == "That I am sorry, and that I will not do it again."
    assert first.family == second.family


def test_a_judgment_of_the_user_is_in_no_row(tmp_path: Path) -> None:
    import_file("prosocial-dialog", FILE, tmp_path / "out")
    written = (tmp_path / "out").read_text()
    assert "They invade a sister's privacy." not in written
    assert "It is wrong to read a diary" not in written


def test_a_response_without_a_next_turn_is_counted(tmp_path: Path) -> None:
    report = import_file("prosocial-dialog", FILE, tmp_path / "out")
    assert (report.rows, report.skipped) == (2, {"responses without a next turn of the user": 2})


def test_a_generated_reaction_is_unweighed_and_its_answer_not_learned(tmp_path: Path) -> None:
    report = import_file("prosocial-dialog", FILE, tmp_path / "out")
    rows = load_rows(tmp_path / "out")
    assert report.kinds == {"generated": 2}
    assert report.effects == {"unweighed": 2}
    assert not any(is_gentle(row) for row in rows)
    assert {row.license for row in rows} == {"CC-BY-4.0"}


def test_a_dialogue_with_a_hole_ends_there(tmp_path: Path) -> None:
    file = tmp_path / "in"
    file.write_text("\n".join([LINES[0], LINES[1], LINES[2].replace('"response_id": 2', '"response_id": 4')]))
    report = import_file("prosocial-dialog", file, tmp_path / "out")
    assert report.rows == 1
    assert report.skipped["responses whose dialogue is not there in order"] == 1


def test_lines_of_a_dialogue_that_stand_apart_make_no_rows(tmp_path: Path) -> None:
    file = tmp_path / "in"
    file.write_text("\n".join([LINES[0], LINES[1], LINES[3], LINES[2]]))
    report = import_file("prosocial-dialog", file, tmp_path / "out")
    assert report.rows == 1
    assert report.skipped["responses whose dialogue is not there in order"] == 1


def test_broken_encoding_is_put_right_and_counted_by_line(tmp_path: Path) -> None:
    file = tmp_path / "in"
    file.write_text("\n".join([LINES[0].replace("sister's", "sisterâ€™s"), LINES[1]]), encoding="utf-8")
    report = import_file("prosocial-dialog", file, tmp_path / "out")
    (row,) = load_rows(tmp_path / "out")
    assert report.repaired == 1
    assert row.conversation[0].content == "I read my sister’s diary while she was out."


def test_missing_and_mistyped_columns_are_told(tmp_path: Path) -> None:
    file = tmp_path / "in"
    exchange = json.loads(LINES[0])
    lines = [exchange | {"dialogue_id": "7"}, exchange | {"response": " "}, {"context": "x", "dialogue_id": 1}]
    file.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(RowsError) as caught:
        import_file("prosocial-dialog", file, tmp_path / "out")
    assert [fault.split(" ")[:2] for fault in caught.value.faults] == [
        [f"{file}:1", "dialogue_id"],
        [f"{file}:2", "response"],
        [f"{file}:3", "response"],
        [f"{file}:3", "response_id"],
    ]


def test_an_endless_dialogue_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "in"
    exchange = json.loads(LINES[0])
    count = MAX_EXCHANGES + 1
    file.write_text("\n".join(json.dumps(exchange | {"response_id": place}) for place in range(count)))
    with pytest.raises(RowsError, match=f"in:{count} dialogue_id"):
        import_file("prosocial-dialog", file, tmp_path / "out")
