"""A tiny run: two passes of two and three steps on the procedural world, with dropout, so that random numbers count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tear_training.config import TrainConfig

ADAPTER = "adapter_model.safetensors"


def config(**changes: Any) -> TrainConfig:
    values: dict[str, Any] = {
        "name": "tiny",
        "train": [{"world": {"seed": 1, "split": "train", "rows": 24}}],
        "validation": [{"world": {"seed": 1, "split": "validation", "rows": 6}}],
        "lora": {"rank": 8, "dropout": 0.1},
        "batching": {"rows_per_step": 8, "micro_rows": 4},
        "checkpoints": {"every": 2, "keep": 1},
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


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
