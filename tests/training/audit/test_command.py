from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from tear_training.audit import Audit
from tear_training.audit.command import audit_command
from tear_training.rows import Row, write_rows

MakeRow = Callable[..., Row]
MakeSet = Callable[..., list[Row]]


def audit(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(audit_command)
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


@pytest.fixture
def solved(set_of: MakeSet, tmp_path: Path) -> Path:
    """A file whose opening answers all ask."""
    write_rows(tmp_path / "solved.jsonl", set_of(opening="?", closing="."))
    return tmp_path / "solved.jsonl"


@pytest.fixture
def sound(set_of: MakeSet, tmp_path: Path) -> Path:
    """A file whose words say nothing about their effect."""
    write_rows(tmp_path / "sound.jsonl", set_of(families=60))
    return tmp_path / "sound.jsonl"


def test_a_sound_set_ends_well(sound: Path) -> None:
    result = audit(sound)
    assert result.exit_code == 0, result.output
    assert "6 of 6 bars kept, none broken, 0 not measured." in result.stdout


def test_a_broken_bar_is_named_with_its_value_and_ends_with_one(solved: Path) -> None:
    result = audit(solved)
    assert result.exit_code == 1
    assert "question mark gap, points: 100, broken (at most 10)" in result.stdout


def test_what_is_not_measured_is_said_and_breaks_nothing(row_of: MakeRow, tmp_path: Path) -> None:
    write_rows(tmp_path / "two.jsonl", [row_of("bread", 1), row_of("bread", -1)])
    result = audit(tmp_path / "two.jsonl")
    assert result.exit_code == 0
    assert "question mark gap, points: not measured (2 opening or closing rows, at least 20 are needed)" in (
        result.stdout
    )
    assert "1 of 6 bars kept, none broken, 5 not measured." in result.stdout


def test_json_is_one_document_and_nothing_else(solved: Path) -> None:
    result = audit(solved, "--json", "--curated")
    assert result.exit_code == 1
    found = Audit.model_validate_json(result.stdout)
    assert len(found.verdicts) == 20
    assert "question mark gap, points: 100, broken (at most 10)" in result.stderr


def test_a_bar_can_be_moved(solved: Path) -> None:
    assert audit(solved, "--question-gap", 100, "--leak-hard", 1, "--leak-whole", 1).exit_code == 0


def test_a_count_can_be_asked_for_or_moved(sound: Path) -> None:
    assert audit(sound, "--situations", 60).exit_code == 0
    assert "broken (at least 61)" in audit(sound, "--situations", 61).stdout
    assert "at least 60" in audit(sound, "--curated", "--situations", 60).stdout


def test_all_faults_of_all_files_are_printed(sound: Path, tmp_path: Path) -> None:
    (tmp_path / "torn.jsonl").write_text("{torn\n{}\n")
    result = audit(sound, tmp_path / "torn.jsonl", tmp_path / "missing.jsonl")
    assert result.exit_code == 1
    for fault in ("torn.jsonl:1 row", "torn.jsonl:2 situation_id", "missing.jsonl cannot be read"):
        assert fault in result.stdout


def test_faults_are_in_the_json_and_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "torn.jsonl").write_text("{torn\n")
    result = audit(tmp_path, "--json")
    assert result.exit_code == 1
    (fault,) = json.loads(result.stdout)["faults"]
    assert "torn.jsonl:1" in fault
    assert "torn.jsonl:1" in result.stderr


def test_a_folder_is_read_whole_and_its_splits_are_checked(row_of: MakeRow, tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_rows(tmp_path / f"{split}.jsonl", [row_of("bread")])
    result = audit(tmp_path)
    assert result.exit_code == 1
    assert "'bread': the family stands in the files of train and test" in result.stdout


def test_a_file_named_twice_is_read_once(sound: Path) -> None:
    assert audit(sound, sound.parent).stdout == audit(sound).stdout


@pytest.mark.parametrize("content", ["", "\n\n"], ids=["empty", "blank"])
def test_a_file_without_rows_is_a_fault(tmp_path: Path, content: str) -> None:
    (tmp_path / "empty.jsonl").write_text(content)
    result = audit(tmp_path / "empty.jsonl")
    assert result.exit_code == 1
    assert "empty.jsonl: no rows" in result.stdout


def test_the_page_is_written_even_where_a_bar_is_broken(solved: Path, tmp_path: Path) -> None:
    page = tmp_path / "audit.html"
    assert audit(solved, "--html", page).exit_code == 1
    assert "question mark gap" in page.read_text(encoding="utf-8")


def test_a_page_in_no_folder_is_refused_before_the_work(solved: Path, tmp_path: Path) -> None:
    result = audit(solved, "--html", tmp_path / "nowhere" / "audit.html")
    assert result.exit_code == 2
    assert "does not exist" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("name", ["folder", "rows.jsonl"])
def test_a_page_takes_the_place_of_no_folder_and_no_rows(sound: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "rows.jsonl").write_bytes(sound.read_bytes())
    result = audit(sound, "--html", tmp_path / name)
    assert (result.exit_code, "no place for a page" in " ".join(result.output.split())) == (2, True)
    assert (tmp_path / "rows.jsonl").read_bytes() == sound.read_bytes()


def test_a_terminal_obeys_nothing_that_rows_say(row_of: MakeRow, tmp_path: Path) -> None:
    evil = "[red]\x1b]0;owned\x07\x1b[2J[/nonsense]"
    write_rows(tmp_path / "evil.jsonl", [row_of(f"{evil}-{n}", culture=evil, license=evil) for n in range(3)])
    result = audit(tmp_path / "evil.jsonl")
    assert result.exit_code == 0, result.output
    assert "\x1b]" not in result.stdout
    assert "\x1b[2J" not in result.stdout
    assert "[red]" in result.stdout
