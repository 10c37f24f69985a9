from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tear_training.importers import FORMATS
from tear_training.importers.command import import_command
from tear_training.rows import load_rows

FIXTURES = Path(__file__).parent / "fixtures"

app = typer.Typer()
app.command("import")(import_command)
runner = CliRunner(env={"COLUMNS": "80", "NO_COLOR": "1"})


def test_help_lists_every_format_with_its_line() -> None:
    lines = [" ".join(line.split()) for line in runner.invoke(app, ["--help"]).stdout.splitlines()]
    for name, importer in FORMATS.items():
        assert f"{name} {importer.line}" in lines


def test_a_non_commercial_import_says_so(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    result = runner.invoke(app, ["esconv", str(FIXTURES / "esconv.json"), "--out", str(out)])
    assert result.exit_code == 0
    assert "Licence: CC-BY-NC-4.0" in result.stdout
    assert "Non-commercial: every adapter trained on this is marked so." in result.stdout
    assert len(load_rows(out)) == 2


def test_a_summary_tells_rows_repairs_and_what_was_left_out(tmp_path: Path) -> None:
    result = runner.invoke(app, ["failed-esconv", str(FIXTURES / "failed_esconv.json"), "--out", str(tmp_path / "out")])
    told = {tuple(part.strip() for part in line.strip("│").split("│")) for line in result.stdout.splitlines()}
    assert {
        ("Rows", "2"),
        ("provenance narrative", "2"),
        ("closes", "1"),
        ("no trace", "1"),
        ("Entries with repaired encoding", "1"),
        ("Left out: utterances without text", "1"),
    } <= told


def test_a_commercial_import_is_not_called_non_commercial(tmp_path: Path) -> None:
    result = runner.invoke(
        app, ["moral-stories", str(FIXTURES / "moral_stories.jsonl"), "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 0
    assert "Non-commercial" not in result.stdout


def test_faults_are_told_on_stderr_and_nothing_is_written(tmp_path: Path) -> None:
    file = tmp_path / "in[bold]"
    file.write_text("{\n{\n")
    result = runner.invoke(app, ["triples", str(file), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert f"{file}:1 row is no JSON" in result.stderr
    assert f"{file}:2 row is no JSON" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_file_that_is_there_needs_force(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("mine")
    arguments = ["moral-stories", str(FIXTURES / "moral_stories.jsonl"), "--out", str(out)]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 1
    assert "Use --force" in result.stderr
    assert runner.invoke(app, [*arguments, "--force"]).exit_code == 0


@pytest.mark.parametrize("arguments", [["tripels", "x", "--out", "y"], ["triples", "x"]], ids=["format", "no out"])
def test_wrong_usage_is_told_as_such(arguments: list[str]) -> None:
    assert runner.invoke(app, arguments).exit_code == 2
