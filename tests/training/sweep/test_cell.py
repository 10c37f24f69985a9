"""Laws of one cell, on the tiny base: trained, scored, taken up where it was, and never by two at once."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from training.runs import ADAPTER as WEIGHTS
from training.runs import config
from training.sweep.conftest import opened, sweep
from training.test_run_state import RingsOnce

from tear_chain.artifact import read_card
from tear_chain.errors import DataError, TrainingInterrupted
from tear_chain.manifest import load_manifest
from tear_chain.prepared import load_prepared
from tear_training.evaluate import runs
from tear_training.evaluate.report import EvalReport
from tear_training.sweep.cell import work
from tear_training.sweep.durations import seconds_of
from tear_training.sweep.folders import ADAPTER, EVALUATION_FILE, LOCK_FILE, read_cell
from tear_training.train import train


@pytest.fixture(scope="module", autouse=True)
def _short_texts() -> Iterator[None]:
    """A random model never stops by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "DRAFT_LIMIT", 4)
        patch.setattr(runs, "WITNESS_LIMIT", 4)
        yield


def cell(base: Path, out: Path, name: str) -> Path:
    folders = opened(out, sweep(), config(), base_fingerprint=load_prepared(base).fingerprint)
    return next(each.path for each in folders if each.cell.name == name)


def make(folder: Path, base: Path) -> EvalReport:
    work(folder, base, data=folder, console=Console(file=StringIO()))
    return read_card(folder / EVALUATION_FILE, EvalReport, DataError)


@pytest.fixture(scope="module")
def made(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cell that was broken off by Ctrl-C in its first step, and taken up again."""
    folder = cell(tiny_base, tmp_path_factory.mktemp("sweep"), "lambda-1-seed-1")
    with pytest.raises(TrainingInterrupted):
        work(folder, tiny_base, data=folder, console=Console(file=RingsOnce(), force_terminal=True))
    assert not (folder / EVALUATION_FILE).exists()
    make(folder, tiny_base)
    return folder


def test_a_cell_holds_its_adapter_and_the_evaluation_of_it(made: Path) -> None:
    report = read_card(made / EVALUATION_FILE, EvalReport, DataError)
    manifest = load_manifest(made / ADAPTER)
    assert (report.name, report.adapter) == ("tiny-lambda-1-seed-1", manifest.version)
    assert (manifest.seed, report.seed) == (1, 5)
    assert report.suites[0].situations == 8
    assert seconds_of(made) > report.seconds


def test_a_cell_that_is_done_is_left_as_it_is(made: Path, tiny_base: Path) -> None:
    before = (made / EVALUATION_FILE).stat().st_mtime_ns
    make(made, tiny_base)
    assert (made / EVALUATION_FILE).stat().st_mtime_ns == before


def test_a_cell_that_was_broken_off_goes_on_to_the_same_adapter(made: Path, tiny_base: Path, tmp_path: Path) -> None:
    unbroken = read_cell(made).config
    assert unbroken is not None
    train(unbroken, tiny_base, tmp_path / "out", folder=tmp_path)
    assert (made / ADAPTER / WEIGHTS).read_bytes() == (tmp_path / "out" / WEIGHTS).read_bytes()


def test_a_cell_is_never_worked_on_twice_at_once(tiny_base: Path, tmp_path: Path) -> None:
    folder = cell(tiny_base, tmp_path, "base")
    command = [sys.executable, "-m", "tear_training.sweep.cell", folder, "--base", tiny_base, "--data", folder]
    with (folder / LOCK_FILE).open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "base is being worked on by another process" in ended.stderr


def test_a_cell_that_cannot_be_made_says_why(tiny_base: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tear_training.sweep.cell", tmp_path, "--base", tiny_base, "--data", tmp_path]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: ")
    assert "cell.json cannot be read" in ended.stderr
