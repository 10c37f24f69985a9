"""Laws of the dry run: it says what a run does, and does nothing."""

from __future__ import annotations

from pathlib import Path

from training.runs import config, lines
from typer.testing import CliRunner

from tear_client.main import app
from tear_training.config import save_config
from tear_training.plan import plan_run
from tear_training.train import train


def test_a_plan_says_the_steps_and_tokens_that_a_run_takes(tiny_base: Path, tmp_path: Path) -> None:
    plan = plan_run(config(), tiny_base, folder=tmp_path)
    manifest = train(config(), tiny_base, tmp_path / "out", folder=tmp_path)
    assert [(each.name, each.steps) for each in plan.passes] == [(each.name, each.steps) for each in manifest.passes]
    log = lines(tmp_path / "out" / "steps.jsonl")
    for each in plan.passes:
        assert each.learned == sum(line["learned_tokens"] for line in log if line["pass"] == each.name)
    assert 0 < plan.seconds < 60


def test_a_dry_run_writes_nothing(tiny_base: Path, tmp_path: Path) -> None:
    save_config(tmp_path / "tiny.yaml", config(), comment="tear train")
    command = ["train", str(tmp_path / "tiny.yaml"), "--base", str(tiny_base), "--out", str(tmp_path / "out")]
    said = CliRunner().invoke(app, [*command, "--dry-run"])
    assert said.exit_code == 0, said.output
    assert all(word in said.output for word in ("seed: 20", "warmth", "integration", "Memory", "Time"))
    assert not (tmp_path / "out").exists()
