from __future__ import annotations

import datetime
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from training.test_rows import row_of
from typer.testing import CliRunner, Result

from tear_chain.errors import DataError
from tear_training import review
from tear_training.rejected import Rejected, load_rejected
from tear_training.review import Desk, EditFault, accepted, dump_row, edited, read_row
from tear_training.rows import Row, load_rows, write_rows

DAY = datetime.date(2026, 11, 22)
ROWS = [
    row_of(id="1", culture="japan"),
    row_of(id="2", culture="ghana", component="repair", traits=["blunt", "no"]),
    row_of(id="3", culture="japan", component="warmth"),
]

app = typer.Typer()
app.command()(review.review_command)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_rows(tmp_path / "rows.jsonl", ROWS)
    return tmp_path / "rows.jsonl"


Editing = Callable[[str], dict[str, str]]


@pytest.fixture
def editing(tmp_path: Path) -> Editing:
    """An environment whose editor is a small script: `text` is the YAML, which it may change."""

    def make(script: str) -> dict[str, str]:
        program = tmp_path / "editor.py"
        body = f"{script}\nfile.write_text(text)\n"
        program.write_text(f"import pathlib, sys\nfile = pathlib.Path(sys.argv[1])\ntext = file.read_text()\n{body}")
        return {"EDITOR": shlex.join([sys.executable, str(program)])}

    return make


def go(file: Path, keys: str, *options: object, env: dict[str, str] | None = None) -> Result:
    lines = "".join(f"{key}\n" for key in keys.split("/")) if keys else ""
    clean: dict[str, str | None] = {"VISUAL": None, "EDITOR": None, "COLUMNS": "200"}
    done = CliRunner().invoke(app, [str(file), *map(str, options)], input=lines, env=clean | (env or {}))
    assert done.exit_code == 0, done.output
    return done


def verdicts(file: Path) -> dict[str, str | None]:
    return {row.id: row.provenance.review and row.provenance.review.verdict for row in load_rows(file)}


def turned_down(file: Path) -> list[tuple[str, str]]:
    return [(entry.row.id, entry.reason) for entry in load_rejected(review.rejected_file(file)) if entry.row]


def test_an_accepted_row_says_that_it_was_reviewed_and_when() -> None:
    row = accepted(ROWS[0], date=DAY)
    assert row.provenance.human_reviewed
    assert row.provenance.review == review.Review(verdict="accepted", date=DAY)
    assert row.model_copy(update={"provenance": ROWS[0].provenance}) == ROWS[0]


def test_what_was_edited_stays_edited_when_it_is_accepted_again() -> None:
    again = accepted(edited(ROWS[0], date=DAY), date=DAY + datetime.timedelta(days=1))
    assert again.provenance.review == review.Review(verdict="edited", date=datetime.date(2026, 11, 23))


def test_every_key_does_its_own(file: Path) -> None:
    done = go(file, "a/r/too sweet/s")
    assert verdicts(file) == {"1": "accepted", "3": None}
    (entry,) = load_rejected(file.with_name("rows.rejected.jsonl"))
    assert (entry.row, entry.reason) == (ROWS[1], "too sweet")
    assert entry.date is not None
    assert "1 accepted, 0 edited, 1 rejected, 1 skipped." in done.stdout
    assert "2 rows stand in" in done.stdout
    assert ", 1 of them not reviewed." in done.stdout


@pytest.mark.parametrize("keys", ["a", "a/q", "a/r", "a/x//?/q"], ids=["cut off", "quit", "cut off midway", "unknown"])
def test_leaving_keeps_what_was_decided_and_nothing_else(file: Path, keys: str) -> None:
    go(file, keys)
    assert verdicts(file) == {"1": "accepted", "2": None, "3": None}
    assert turned_down(file) == []


def test_only_rows_that_nobody_reviewed_are_shown_unless_all_are_asked_for(file: Path) -> None:
    go(file, "a/q")
    assert "1 of 2" in go(file, "q").stdout
    assert "1 of 3" in go(file, "q", "--all").stdout


@pytest.mark.parametrize(
    ("options", "decided"),
    [
        (["--culture", "japan"], {"1", "3"}),
        (["--component", "repair"], {"2"}),
        (["--culture", "japan", "--component", "warmth", "--component", "repair"], {"3"}),
        (["--culture", "peru"], set()),
    ],
    ids=["culture", "component", "both", "none"],
)
def test_filters_choose_what_is_shown_and_the_rest_stays(file: Path, options: list[str], decided: set[str]) -> None:
    go(file, "a/a/a", *options)
    assert {name for name, verdict in verdicts(file).items() if verdict} == decided
    assert len(load_rows(file)) == 3


def test_a_component_that_is_none_is_refused(file: Path) -> None:
    done = CliRunner().invoke(app, [str(file), "--component", "kindness"])
    assert done.exit_code == 1
    assert "kindness" in done.stderr
    assert "warmth" in done.stderr


def test_back_shows_the_row_before_and_another_decision_takes_the_place_of_the_first(file: Path) -> None:
    done = go(file, "b/r/too sweet/b/a/a/b/r/too long")
    assert verdicts(file) == {"1": "accepted", "3": None}
    assert turned_down(file) == [("2", "too long")]
    assert "1 accepted, 0 edited, 1 rejected" in done.stdout


def test_to_skip_on_the_way_back_changes_nothing(file: Path) -> None:
    done = go(file, "r/too sweet/b/s/s/q")
    assert turned_down(file) == [("1", "too sweet")]
    assert "0 accepted, 0 edited, 1 rejected, 1 skipped." in done.stdout


def test_a_rejection_without_a_reason_is_none(file: Path) -> None:
    go(file, "r//a")
    assert verdicts(file)["1"] == "accepted"
    assert turned_down(file) == []


def test_rejected_rows_of_other_days_and_filters_stay(file: Path) -> None:
    other = file.with_name("rows.rejected.jsonl")
    before = [Rejected(reason="schema: x", reply="{"), Rejected(reason="flat", date=DAY, row=row_of(id="9"))]
    review.write_rejected(other, before)
    go(file, "r/too sweet")
    assert load_rejected(other)[:2] == before
    assert turned_down(file) == [("9", "flat"), ("1", "too sweet")]


def test_an_edited_row_is_kept_as_edited(file: Path, editing: Editing) -> None:
    go(file, "e/q", env=editing("text = text.replace('weight: -2', 'weight: -1')"))
    row = load_rows(file)[0]
    assert row.consequence.weight == -1
    assert row.provenance.review is not None
    assert row.provenance.review.verdict == "edited"


def test_faults_of_an_edit_are_shown_and_it_can_be_tried_again(file: Path, editing: Editing) -> None:
    # The second time the editor finds what the person wrote the first time.
    script = "text = text.replace(': 9', ': 1') if ': 9' in text else text.replace(': -2', ': 9')"
    done = go(file, "e/t/q", env=editing(script))
    assert "consequence.weight: Input should be less than or equal to 3" in done.stdout
    assert load_rows(file)[0].consequence.weight == 1


def test_an_edit_can_be_dropped(file: Path, editing: Editing) -> None:
    go(file, "e/d/a/q", env=editing("text = 'mood: sad'"))
    row = load_rows(file)[0]
    assert row.provenance.review is not None
    assert row == accepted(ROWS[0], date=row.provenance.review.date)


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({}, "Set EDITOR or VISUAL"),
        ({"EDITOR": shlex.join([sys.executable, "-c", "raise SystemExit(3)"])}, "ended with status 3"),
        ({"EDITOR": "/nowhere/at-all"}, "cannot edit the row"),
        ({"EDITOR": "'"}, "cannot edit the row"),
        ({"EDITOR": shlex.join([sys.executable, "-c", ""])}, "Nothing was changed."),
    ],
    ids=["none", "fails", "absent", "torn", "changes nothing"],
)
def test_an_editor_that_does_nothing_decides_nothing(file: Path, env: dict[str, str], said: str) -> None:
    assert said in go(file, "e/q", env=env).stdout
    assert load_rows(file) == ROWS


def test_visual_goes_before_editor(file: Path, editing: Editing) -> None:
    env = editing("text = text.replace('weight: -2', 'weight: -1')")
    go(file, "e/q", env={"VISUAL": env["EDITOR"], "EDITOR": "/nowhere/at-all"})
    assert load_rows(file)[0].consequence.weight == -1


@pytest.mark.parametrize("row", ROWS, ids=["plain", "a trait that YAML reads as false", "other"])
def test_a_row_survives_the_editor(row: Row) -> None:
    dated = edited(row, date=DAY)
    assert read_row(dump_row(dated), before=dated) == dated
    assert read_row(dump_row(row).replace("'no'", "no"), before=row) == row


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [", "this is not YAML"),
        ("date: 2026-13-45", "this is not YAML"),
        ("", "row: expected fields"),
        ("[1, 2]", "row: expected fields"),
        (dump_row(ROWS[0]).replace("id: '1'", "id: '7'"), "id: is 7, expected 1"),
        (dump_row(ROWS[0]) + "mood: sad\n", "mood: Extra inputs"),
    ],
    ids=["no YAML", "no date", "empty", "list", "renamed", "unknown field"],
)
def test_an_edit_that_is_no_row_says_why(text: str, fault: str) -> None:
    with pytest.raises(EditFault) as caught:
        read_row(text, before=ROWS[0])
    assert caught.value.faults[0].startswith(fault)


def test_with_out_the_file_stays_and_a_second_sitting_goes_on(file: Path) -> None:
    out = file.with_name("done.jsonl")
    before = file.read_bytes()
    go(file, "a/r/too sweet/q", "--out", out)
    assert "1 of 1" in go(file, "a", "--out", out).stdout
    assert file.read_bytes() == before
    assert verdicts(out) == {"1": "accepted", "3": "accepted"}
    assert turned_down(out) == [("2", "too sweet")]


def test_an_out_of_other_rows_is_refused(file: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "other.jsonl", [row_of(id="7")])
    with pytest.raises(DataError, match=r"other\.jsonl holds rows that .* does not, such as 7"):
        Desk.open(file, out=tmp_path / "other.jsonl")


def test_a_crash_between_the_two_files_loses_no_row(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(*_: object) -> int:
        raise OSError("power")

    desk = Desk.open(file)
    monkeypatch.setattr(review, "write_rows", torn)
    with pytest.raises(OSError, match="power"):
        desk.reject(ROWS[0], "too sweet", date=DAY)
    monkeypatch.undo()
    assert load_rows(file) == ROWS
    assert turned_down(file) == [("1", "too sweet")]
    go(file, "a/q")
    assert verdicts(file) == {"1": "accepted", "2": None, "3": None}
    assert turned_down(file) == []


def test_all_that_decides_is_shown(file: Path) -> None:
    said = go(file, "s/q").stdout
    row = ROWS[1]
    for shown in (
        *(row.input, row.response, row.consequence.impact, row.revised),
        "-2",
        "blunt, no",
        "repair",
        "ghana",
    ):
        assert shown is not None
        assert shown in said


def test_a_row_cannot_steer_the_terminal(file: Path) -> None:
    write_rows(file, [row_of(response="[red]Stop[/red] \x1b[2J\x07 now", culture="\x1b]0;x")])
    said = go(file, "q").stdout
    assert "\x1b[2J" not in said
    assert "\x1b]0" not in said
    assert "[red]Stop[/red] \N{REPLACEMENT CHARACTER}[2J" in said


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.jsonl", None, "cannot be read"),
        ("rows.jsonl", "{", "rows.jsonl:1"),
        ("rows.rejected.jsonl", '\n{"reason": ""}\n', "rows.rejected.jsonl:2 reason:"),
    ],
    ids=["absent", "no row", "no rejected row"],
)
def test_a_file_that_cannot_be_used_is_named(file: Path, name: str, content: str | None, said: str) -> None:
    file.with_name(name).unlink(missing_ok=True)
    if content is not None:
        file.with_name(name).write_text(content)
    done = CliRunner().invoke(app, [str(file)])
    assert done.exit_code == 1
    assert said in done.stderr


def test_an_empty_file_has_nothing_to_review(file: Path) -> None:
    file.write_text("")
    assert "0 rows stand in" in go(file, "").stdout


def test_lines_of_rejected_rows_leave_out_what_is_absent(file: Path) -> None:
    go(file, "r/too sweet/q")
    line = json.loads(review.rejected_file(file).read_text())
    assert set(line) == {"reason", "date", "row"}
