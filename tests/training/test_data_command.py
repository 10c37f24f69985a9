from pathlib import Path

from typer.testing import CliRunner, Result

from tear_training.data_command import data_app
from tear_training.rows import load_rows


def data(*arguments: object) -> Result:
    return CliRunner().invoke(data_app, [str(each) for each in arguments], env={"COLUMNS": "200"})


def test_the_world_is_written_as_rows(tmp_path: Path) -> None:
    result = data("world", tmp_path / "w.jsonl", "--rows", 20, "--split", "test", "--table", "leaning", "--seed", 3)
    assert result.exit_code == 0, result.output
    assert "20 rows of the leaning world, split test, seed 3" in result.output
    assert len(load_rows(tmp_path / "w.jsonl")) == 20


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    out = tmp_path / "w.jsonl"
    out.write_text("precious")
    assert data("world", out, "--rows", 1).exit_code == 2
    assert out.read_text() == "precious"
    assert data("world", out, "--rows", 1, "--force").exit_code == 0
    assert data("world", tmp_path).exit_code == 2
    assert data("world", tmp_path / "none" / "w.jsonl").exit_code == 2


def test_every_command_says_what_it_is_for() -> None:
    shown = data("--help").output
    assert all(name in shown for name in ("audit", "import", "expand", "review", "world"))
