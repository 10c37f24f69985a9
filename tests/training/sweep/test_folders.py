"""Laws of the folders: what was made with the same settings is taken up, anything else is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from training.runs import config
from training.sweep.conftest import opened, sweep

from tear_chain.errors import DataError
from tear_training.sweep.folders import CELL_FILE, EVALUATION_FILE, read_cell


def test_every_cell_has_a_folder_that_says_what_it_is_made_with(tmp_path: Path) -> None:
    for each in opened(tmp_path, sweep()):
        card = read_cell(each.path)
        assert each.path == tmp_path / "runs" / each.cell.name
        assert (card.name, card.config) == (each.cell.name, each.cell.config)
        assert not each.is_done


def test_a_cell_with_its_evaluation_is_done(tmp_path: Path) -> None:
    first = opened(tmp_path, sweep())[0]
    (first.path / EVALUATION_FILE).touch()
    assert [each.is_done for each in opened(tmp_path, sweep())][:2] == [True, False]


@pytest.mark.parametrize(
    ("changed", "recipe", "named"),
    [
        ({}, {"weight_decay": 0.5}, "weight_decay"),
        ({"base_fingerprint": "e" * 16}, {}, "base_fingerprint"),
        ({"evaluation": sweep(evaluation={"table": "leaning"}).evaluation}, {}, "evaluation"),
    ],
    ids=["recipe", "base", "evaluation"],
)
def test_what_was_made_with_anything_else_is_refused_by_name(
    changed: dict[str, Any], recipe: dict[str, Any], named: str, tmp_path: Path
) -> None:
    for each in opened(tmp_path, sweep()):
        (each.path / EVALUATION_FILE).touch()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(DataError, match=rf"lambda-0-seed-1 was made with another {named}\.") as caught:
        opened(tmp_path, sweep(), config(**recipe), **changed)
    assert "--force" in caught.value.message
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_what_does_not_change_what_is_learned_may_be_changed(tmp_path: Path) -> None:
    opened(tmp_path, sweep())
    folders = opened(tmp_path, sweep(), config(checkpoints={"every": 7}))
    made = read_cell(folders[1].path).config
    assert made is not None
    assert made.checkpoints.every == 7


def test_force_makes_cells_anew(tmp_path: Path) -> None:
    first = opened(tmp_path, sweep())[0]
    (first.path / EVALUATION_FILE).touch()
    assert not any(each.is_done for each in opened(tmp_path, sweep(), config(weight_decay=0.5), force=True))


@pytest.mark.parametrize("force", [False, True])
def test_a_folder_that_is_no_cell_is_never_touched(force: bool, tmp_path: Path) -> None:
    foreign = tmp_path / "runs" / "base" / "thesis.txt"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("years of work")
    with pytest.raises(DataError, match="base is no cell of a sweep"):
        opened(tmp_path, sweep(), force=force)
    assert foreign.read_text() == "years of work"


def test_looking_writes_nothing(tmp_path: Path) -> None:
    opened(tmp_path, sweep(), writes=False)
    assert not any(tmp_path.iterdir())


def test_more_seeds_leave_the_cells_that_are_there(tmp_path: Path) -> None:
    first = opened(tmp_path, sweep())[0]
    before = (first.path / CELL_FILE).stat().st_mtime_ns
    assert len(opened(tmp_path, sweep(seeds=[1, 2, 3]))) == 10
    assert (first.path / CELL_FILE).stat().st_mtime_ns == before
