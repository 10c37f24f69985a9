"""Laws of rows as a Hugging Face data set: whatever a row says comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets import load_dataset

from tear_training.hf_dataset import FEATURES, from_dataset, to_dataset
from tear_training.rows import Row
from tear_training.world import World

WORLD = list(World(1).rows(split="train", count=8))
PLAIN = WORLD[0].model_dump(exclude={"input"})
FULL = Row.model_validate(
    PLAIN
    | {
        "id": "full",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello."}],
        "revised": "Hello to you.",
        "consequence": {"impact": "It helped.", "who": "A friend", "ripples": "She called.", "weight": -2},
        "provenance": {
            "kind": "generated",
            "generator": "a model",
            "prompt_digest": "00",
            "seed": 2**40,
            "human_reviewed": True,
            "review": {"verdict": "edited", "date": "2026-01-31"},
        },
        "traits": ["soft", "no"],
        "outcome": {"feedback": 4, "intensity_before": 4.5, "intensity_after": 0.1},
    }
)
UNJUDGED = Row.model_validate({"input": "Hello.", "response": "Hi.", "consequence": "It was nothing."})


@pytest.mark.parametrize("rows", [WORLD, [FULL, *WORLD], [UNJUDGED], []], ids=["world", "full", "triple", "none"])
def test_rows_come_back_as_they_went(rows: list[Row]) -> None:
    assert from_dataset(to_dataset(rows)) == rows


def test_the_columns_are_those_of_a_row() -> None:
    assert set(FEATURES) == set(Row.model_fields)
    assert to_dataset([]).features == FEATURES


def test_rows_can_be_streamed_from_what_was_written(tmp_path: Path) -> None:
    to_dataset([FULL, *WORLD]).to_parquet(tmp_path / "rows.parquet")
    streamed = load_dataset(
        "parquet",
        data_files=str(tmp_path / "rows.parquet"),
        split="train",
        streaming=True,
        cache_dir=str(tmp_path / "cache"),
    )
    assert from_dataset(streamed) == [FULL, *WORLD]
