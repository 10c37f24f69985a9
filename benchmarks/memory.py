"""How well the memory of a training step is estimated: the estimate beside what a fresh process comes to hold.

.venv/bin/python benchmarks/memory.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch
from report import Result, report
from transformers import Ministral3Config

from tear_training.adapter import ChainModel, add_adapter, load_base
from tear_training.config import TrainConfig, load_config
from tear_training.estimate import MicroBatch, estimate_memory
from tear_training.loss import token_nll

ROOT = Path(__file__).parent.parent
NANO, CONFIG = ROOT / "training" / "nano" / "base", ROOT / "training" / "configs" / "nano.yaml"
# Micro-batches large enough that what Python itself comes to hold meanwhile does not count.
BATCH = MicroBatch(rows=96, length=160, learned=8000)
LONG = MicroBatch(rows=4, length=2048, learned=5000)
CASES = {
    "bfloat16": (BATCH, []),
    "float32": (BATCH, ["precision=float32"]),
    "bfloat16, gradient checkpointing": (BATCH, ["gradient_checkpointing=true"]),
    "bfloat16, base in bfloat16": (BATCH, ["base_weights=bfloat16"]),
    "bfloat16, rows of 2048 tokens": (LONG, []),
}


def main() -> None:
    base = Ministral3Config.from_pretrained(NANO)
    assert isinstance(base, Ministral3Config)
    results = []
    for name, (batch, overrides) in CASES.items():
        estimate = estimate_memory(base, load_config(CONFIG, overrides=overrides), batch=batch).total
        held = int(
            # glibc would keep for later what is given back; what is asked for is what counts.
            subprocess.run(
                [sys.executable, __file__, name],
                env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"},
                stdout=subprocess.PIPE,
                check=True,
            ).stdout
        )
        results += [
            Result(f"{name}: estimated", estimate / 1e6, "MB"),
            Result(f"{name}: held", held / 1e6, "MB"),
            Result(f"{name}: off by", abs(estimate / held - 1), "", "<= 0.15"),
        ]
    report("memory", results, note="nano, AdamW, growth of the process's peak over two optimizer steps")


def measure(config: TrainConfig, batch: MicroBatch) -> int:
    """Bytes by which this process grows at its worst over two optimizer steps."""
    before = _held("VmRSS")
    loaded = load_base(
        NANO,
        longest=batch.length,
        weights=config.base_weights,
        gradient_checkpointing=config.gradient_checkpointing,
    )
    precision = getattr(torch, config.precision)
    chain = ChainModel(add_adapter(loaded, config.lora, seed=config.seed), precision=precision).train()
    optimizer = torch.optim.AdamW([each for each in chain.parameters() if each.requires_grad])
    ids = torch.randint(1000, 8000, (batch.rows, batch.length))
    for _ in range(2):
        hidden = chain(ids).flatten(0, 1)[: batch.learned]
        token_nll(hidden, chain.head, ids.flatten()[: batch.learned]).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        del hidden
    return _held("VmHWM") - before


def _held(name: str) -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    if len(sys.argv) > 1:
        case, changes = CASES[sys.argv[1]]
        # Once in small: libraries come to hold things of their own the first time.
        measure(load_config(CONFIG, overrides=changes), MicroBatch(rows=1, length=8, learned=4))
        print(measure(load_config(CONFIG, overrides=changes), case))
    else:
        main()
