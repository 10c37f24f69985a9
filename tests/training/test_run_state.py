"""Laws of stopping and going on: whatever ends a run, going on ends where an unbroken run does, byte for byte."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from training.runs import ADAPTER, config, lines

from tear_chain.errors import AdapterError, TrainingError, TrainingInterrupted
from tear_chain.manifest import load_manifest
from tear_training import command
from tear_training.dual_trainer import DualTrainer
from tear_training.train import train


def told(out: Path) -> list[dict[str, Any]]:
    """The step log without what a clock or the machine says."""
    return [{key: line[key] for key in line.keys() - {"seconds", "peak_bytes"}} for line in lines(out / "steps.jsonl")]


class RingsOnce(StringIO):
    """A screen in front of which somebody presses Ctrl-C as soon as it shows something."""

    def write(self, text: str) -> int:
        if not self.tell():
            signal.raise_signal(signal.SIGINT)
        return super().write(text)


def interrupt(base: Path, out: Path, **changes: Any) -> str:
    screen = Console(file=RingsOnce(), force_terminal=True)
    with pytest.raises(TrainingInterrupted) as caught:
        train(config(**changes), base, out, folder=out.parent, console=screen)
    return caught.value.sentence()


@pytest.fixture(scope="module")
def unbroken(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken") / "out"
    train(config(), tiny_base, out, folder=out.parent)
    return out


def killed(base: Path, out: Path, *, after_steps: int) -> None:
    """Train in a process of its own and end it with SIGKILL once it has logged so many steps."""
    # A fork has torch loaded already: a new interpreter would take seconds to come so far.
    child = multiprocessing.get_context("fork").Process(
        target=train, args=(config(), base, out), kwargs={"folder": out.parent, "resume": True}
    )
    child.start()
    end_s = time.monotonic() + 60
    while len(lines(out / "steps.jsonl")) < after_steps and child.is_alive() and time.monotonic() < end_s:
        time.sleep(0.001)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert child.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("after_steps", [1, 4])
def test_a_killed_run_goes_on_to_the_same_bytes(
    after_steps: int, unbroken: Path, tiny_base: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    killed(tiny_base, out, after_steps=after_steps)
    assert not (out / "manifest.json").exists()
    train(config(), tiny_base, out, folder=tmp_path, resume=True)
    assert (out / ADAPTER).read_bytes() == (unbroken / ADAPTER).read_bytes()
    assert told(out) == told(unbroken)


def test_a_finished_run_leaves_no_checkpoints_and_is_not_run_again(
    unbroken: Path, tiny_base: Path, tmp_path: Path
) -> None:
    assert not (unbroken / "checkpoints").exists()
    before = (unbroken / "manifest.json").stat().st_mtime_ns
    assert train(config(), tiny_base, unbroken, folder=tmp_path, resume=True) == load_manifest(unbroken)
    assert (unbroken / "manifest.json").stat().st_mtime_ns == before


def test_ctrl_c_finishes_the_step_and_leaves_a_checkpoint(unbroken: Path, tiny_base: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = interrupt(tiny_base, out)
    assert (out / "checkpoints" / "warmth" / "checkpoint-1").is_dir()
    assert "checkpoint-1" in said
    assert "--resume" in said
    train(config(), tiny_base, out, folder=tmp_path, resume=True)
    assert (out / ADAPTER).read_bytes() == (unbroken / ADAPTER).read_bytes()


@pytest.mark.parametrize("against", ["text", "base"])
def test_what_is_rehearsed_goes_on_where_it_was(against: str, tiny_base: Path, tmp_path: Path) -> None:
    texts = {"world": {"seed": 1, "documents": 4}, "texts_per_step": 2, "against": against}
    train(config(rehearsal=texts), tiny_base, tmp_path / "whole", folder=tmp_path)
    interrupt(tiny_base, tmp_path / "out", rehearsal=texts)
    train(config(rehearsal=texts), tiny_base, tmp_path / "out", folder=tmp_path, resume=True)
    assert (tmp_path / "out" / ADAPTER).read_bytes() == (tmp_path / "whole" / ADAPTER).read_bytes()


def test_another_rehearsal_is_another_run(tiny_base: Path, tmp_path: Path) -> None:
    interrupt(tiny_base, tmp_path / "out")
    other = config(rehearsal={"world": {"seed": 1, "documents": 4}})
    with pytest.raises(AdapterError, match="begun with another rehearsal, data"):
        train(other, tiny_base, tmp_path / "out", folder=tmp_path, resume=True)


def test_an_interrupted_command_ends_as_shells_expect() -> None:
    with pytest.raises(typer.Exit) as caught, command._told_in_a_sentence():
        raise TrainingInterrupted("Stopped.")
    assert caught.value.exit_code == 130


def test_a_run_goes_on_only_as_it_was_begun(tiny_base: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    interrupt(tiny_base, out)
    other = config(seed=21, train=[{"world": {"seed": 1, "split": "train", "rows": 16}}])
    with pytest.raises(AdapterError, match="begun with another seed, train, data"):
        train(other, tiny_base, out, folder=tmp_path, resume=True)


def test_a_run_that_can_go_on_is_not_begun_anew_unasked(tiny_base: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    interrupt(tiny_base, out)
    with pytest.raises(AdapterError, match="--resume to go on"):
        train(config(), tiny_base, out, folder=tmp_path)


def test_a_loss_that_is_no_number_names_the_last_good_checkpoint_and_only_kept_ones_are_there(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = property(lambda self: float("nan") if self.state.global_step == 2 else 1.0)
    monkeypatch.setattr(DualTrainer, "lambda_", broken)
    once = config(checkpoints={"every": 1, "keep": 1})
    with pytest.raises(TrainingError, match=r"pass integration, step 3, on rows world.*checkpoint is .*checkpoint-2\."):
        train(once, tiny_base, tmp_path / "out", folder=tmp_path)
    kept = sorted(path.name for path in (tmp_path / "out" / "checkpoints" / "integration").iterdir())
    assert kept == ["checkpoint-2"]


def test_the_weights_that_see_best_are_kept_and_patience_ends_a_pass(tiny_base: Path, tmp_path: Path) -> None:
    # At such a rate the loss soon rises.
    wild = {
        "name": "wild",
        "mix": {"opening": 1, "closing": 1},
        "epochs": 8,
        "learning_rate": 0.3,
        "lambda": {"start": 1, "end": 1},
    }
    patient = {"every": 1, "keep_best": True, "patience": 2}
    out = tmp_path / "out"
    manifest = train(config(passes=[wild], evaluation=patient), tiny_base, out, folder=tmp_path)
    (record,) = manifest.passes
    read = {line["step"]: line["nll_consequence"] for line in lines(out / "evaluations.jsonl")}
    assert record.kept_step == min(read, key=lambda step: read[step])
    assert record.steps == record.kept_step + 2
    assert manifest.metrics["nll_consequence"] == record.kept_nll_consequence == read[record.kept_step]
