"""The law of several processes: they learn what one learns, and the first alone writes and speaks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file
from training.runs import ADAPTER, config, lines

from tear_training.config import save_config
from tear_training.train import train

TEXTS = {"world": {"seed": 1, "documents": 5}, "texts_per_step": 3, "against": "base"}
"""Odd, so that the processes have not the same number of them."""


@pytest.mark.parametrize("layout", [{"micro_rows": 2}, {"pack_tokens": 2048}], ids=["padded", "packed"])
def test_two_ranks_learn_what_one_process_learns(layout: dict[str, int], tiny_base: Path, tmp_path: Path) -> None:
    settings = config(lora={"rank": 8}, batching={"rows_per_step": 8} | layout, rehearsal=TEXTS)
    save_config(tmp_path / "tiny.yaml", settings, comment="tear train")
    tear = Path(sys.executable).with_name("tear")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [tear, "train", tmp_path / "tiny.yaml", "--base", tiny_base, "--out", tmp_path / "two"]
    with subprocess.Popen([*launch, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as two:
        train(settings, tiny_base, tmp_path / "one", folder=tmp_path)
        said, complaints = two.communicate()
    assert two.returncode == 0, complaints
    one, both = (lines(tmp_path / name / "steps.jsonl") for name in ("one", "two"))
    for alone, together in zip(one, both, strict=True):
        for key in ("loss", "response", "consequence", "rehearsal", "grad_norm", "learned_tokens"):
            assert together[key] == pytest.approx(alone[key], abs=1e-6, rel=1e-6), key
    weights = [load_file(tmp_path / name / ADAPTER) for name in ("one", "two")]
    assert max((weights[0][name] - weights[1][name]).abs().max() for name in weights[0]) < 5e-6
    assert said.count("Adapter tiny") == 1
