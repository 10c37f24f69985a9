"""Laws of a training run, on a tiny random base."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from rich.console import Console
from safetensors.torch import load_file
from transformers import Ministral3ForCausalLM
from typer.testing import CliRunner

from tear_chain.errors import AdapterError, DataError, TrainingError
from tear_chain.manifest import check_fit, load_manifest
from tear_chain.prepared import load_prepared
from tear_training import command
from tear_training.arrange import choose_rows
from tear_training.config import Batching, Pass, TrainConfig
from tear_training.dual_trainer import DualTrainer
from tear_training.train import train
from tear_training.world import World


def config(**changes: Any) -> TrainConfig:
    values: dict[str, Any] = {
        "name": "tiny",
        "train": [{"world": {"seed": 1, "split": "train", "rows": 24}}],
        "validation": [{"world": {"seed": 1, "split": "validation", "rows": 6}}],
        "lora": {"rank": 8},
        "batching": {"rows_per_step": 8, "micro_rows": 4},
        "passes": [
            {"name": "warmth", "mix": {"opening": 1}, "learning_rate": 1e-3, "lambda": {"start": 0.3, "end": 0.3}},
            {
                "name": "integration",
                "mix": {"opening": 1, "neutral": 1, "closing": 1},
                "learning_rate": 5e-3,
                "lambda": {"start": 0.3, "end": 1},
            },
        ],
    }
    return TrainConfig.model_validate(values | changes)


def run(base: Path, out: Path, settings: TrainConfig, **options: Any) -> list[dict[str, Any]]:
    train(settings, base, out, folder=out.parent, **options)
    return [json.loads(line) for line in (out / "steps.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def trained(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "adapter"
    run(tiny_base, out, config())
    return out


def test_the_adapter_is_whole_and_fits_its_base(trained: Path, tiny_base: Path) -> None:
    manifest = load_manifest(trained)
    check_fit(manifest, load_prepared(tiny_base))
    assert [(p.name, p.lambda_start, p.lambda_end) for p in manifest.passes] == [
        ("warmth", 0.3, 0.3),
        ("integration", 0.3, 1.0),
    ]
    assert [source.rows for source in manifest.data] == [24, 6]
    assert {"nll_response", "nll_consequence", "nll_decision", "decision_given_scene"} <= manifest.metrics.keys()


def test_whoever_may_read_the_manifest_may_read_the_weights(trained: Path) -> None:
    modes = {(trained / name).stat().st_mode for name in ("manifest.json", "adapter_model.safetensors")}
    assert len(modes) == 1


def test_a_run_leaves_a_model_card_with_what_was_measured(trained: Path) -> None:
    card = (trained / "README.md").read_text()
    for name, value in load_manifest(trained).metrics.items():
        assert f"| `{name}` | {value:.4g} |" in card


def test_the_adapter_is_what_vllm_takes(trained: Path) -> None:
    keys = load_file(trained / "adapter_model.safetensors").keys()
    assert "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight" in keys
    assert all(".lora_A.weight" in key or ".lora_B.weight" in key for key in keys)
    settings = json.loads((trained / "adapter_config.json").read_text())
    assert settings["modules_to_save"] is None
    assert settings["base_model_name_or_path"] == "tear-tiny"
    assert str(trained.parent) not in (trained / "adapter_config.json").read_text()


def test_the_adapter_loads_in_plain_peft_and_changes_the_answer(trained: Path, tiny_base: Path) -> None:
    base = Ministral3ForCausalLM.from_pretrained(tiny_base, dtype=torch.float32)
    ids = torch.arange(200, 240)[None]
    with torch.no_grad():
        before = base(input_ids=ids).logits.clone()
        after = PeftModel.from_pretrained(base, str(trained))(input_ids=ids).logits
    assert (before - after).abs().max() > 1e-3


def test_every_step_is_logged_with_both_losses_and_lambda(trained: Path) -> None:
    lines = [json.loads(line) for line in (trained / "steps.jsonl").read_text().splitlines()]
    last = [line for line in lines if line["pass"] == "integration"]
    assert [line["step"] for line in last] == [1, 2, 3]
    assert [round(line["lambda"], 3) for line in last] == [0.3, 0.65, 1.0]
    for line in lines:
        assert line["loss"] == pytest.approx(line["response"] + line["lambda"] * line["consequence"], rel=1e-5)


def test_training_lowers_both_losses(tiny_base: Path, tmp_path: Path) -> None:
    passes = [
        {
            "name": "only",
            "mix": {"opening": 1, "closing": 1},
            "epochs": 10,
            "learning_rate": 1e-2,
            "lambda": {"start": 1, "end": 1},
        }
    ]
    lines = run(tiny_base, tmp_path / "out", config(passes=passes))
    # The head's rows are random, small and frozen: a logit cannot leave ±1.3 and the loss not fall far from ln(1528).
    assert lines[-1]["response"] < lines[0]["response"] - 0.1
    assert lines[-1]["consequence"] < lines[0]["consequence"] - 0.05


def test_a_run_can_be_repeated_byte_for_byte(trained: Path, tiny_base: Path, tmp_path: Path) -> None:
    run(tiny_base, tmp_path / "again", config())
    name = "adapter_model.safetensors"
    assert (tmp_path / "again" / name).read_bytes() == (trained / name).read_bytes()


@pytest.mark.parametrize("micro_rows", [1, 8], ids=["8x1", "1x8"])
def test_micro_batches_change_nothing(micro_rows: int, trained: Path, tiny_base: Path, tmp_path: Path) -> None:
    lines = run(tiny_base, tmp_path / "out", config(batching={"rows_per_step": 8, "micro_rows": micro_rows}))
    expected = [json.loads(line) for line in (trained / "steps.jsonl").read_text().splitlines()]
    for ours, theirs in zip(lines, expected, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
        assert ours["grad_norm"] == pytest.approx(theirs["grad_norm"], rel=1e-4)


def test_a_loss_that_is_no_number_stops_the_run_and_names_step_and_rows(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DualTrainer, "lambda_", property(lambda self: float("nan") if self.state.global_step else 1.0))
    with pytest.raises(TrainingError, match=r"pass warmth, step 2, on rows world-1-train-\d+"):
        run(tiny_base, tmp_path / "out", config())
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_harmful_targets_are_announced(tiny_base: Path, tmp_path: Path) -> None:
    said = StringIO()
    settings = config(allow_harmful_targets=True)
    train(settings, tiny_base, tmp_path / "out", folder=tmp_path, console=Console(file=said))
    assert "misalign" in said.getvalue()


def test_an_earlier_run_is_replaced_only_when_forced(trained: Path, tiny_base: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "manifest.json").write_text("{}")
    with pytest.raises(AdapterError, match="--force"):
        run(tiny_base, out, config())
    run(tiny_base, out, config(), force=True)
    load_manifest(out)


def test_a_folder_that_is_not_ours_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("x")
    with pytest.raises(AdapterError, match="not empty"):
        run(tiny_base, tmp_path, config(), force=True)


def test_a_bad_row_stops_the_run_with_file_and_line(tiny_base: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"id": "a"}\n')
    with pytest.raises(DataError, match=r"rows\.jsonl:1"):
        run(tiny_base, tmp_path / "out", config(train=[{"file": "rows.jsonl"}]))
    assert not (tmp_path / "out").exists()


def pass_(**changes: Any) -> Pass:
    values = {"name": "p", "mix": {"opening": 1}, "learning_rate": 1e-3, "lambda": {"start": 0, "end": 0}}
    return Pass.model_validate(values | changes)


def test_a_pass_takes_only_its_mix_in_whole_steps() -> None:
    rows = list(World(1).rows(split="train", count=100))
    order = choose_rows(rows, pass_(epochs=2), batching=Batching(rows_per_step=8, micro_rows=8), seed=1)
    assert len(order) % 8 == 0
    assert {(rows[place].consequence.weight or 0) > 0 for place in order} == {True}


def test_a_pass_sees_every_row_before_it_sees_one_twice() -> None:
    rows = list(World(1).rows(split="train", count=40))
    everything = pass_(mix={"opening": 1, "neutral": 1, "closing": 1})
    order = choose_rows(rows, everything, batching=Batching(rows_per_step=8, micro_rows=8), seed=1)
    assert sorted(order) == list(range(40))


def test_a_mix_that_takes_nothing_is_named() -> None:
    rows = [row for row in World(1).rows(split="train", count=20) if row.wounding]
    with pytest.raises(DataError, match="Pass p"):
        choose_rows(rows, pass_(), batching=Batching(), seed=1)


def test_the_commands_are_imported_without_torch() -> None:
    ask = "import sys, tear_training.command; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", ask], check=False).returncode == 0


def test_the_command_says_errors_in_a_sentence(tmp_path: Path) -> None:
    result = CliRunner().invoke(command.base_app, ["check", str(tmp_path)])
    assert result.exit_code == 1
    assert "is not a prepared base" in result.output
    assert "Traceback" not in result.output
