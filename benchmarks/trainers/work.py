"""The work that all contestants do: the same rows in the same order, the same adapter, the same precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tear_chain.prepared import load_prepared
from tear_chain.tokenizer import ChainTokenizer
from tear_training.arrange import choose_rows
from tear_training.config import Source, TrainConfig
from tear_training.examples import Example, encode_row
from tear_training.rows import Row
from tear_training.sources import read_sources

DATA = Path(__file__).parents[2] / "training" / "data"
CURATED = "curated.jsonl"
Device = Literal["cpu", "cuda"]
MICRO_ROWS = 16
PACK_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Work:
    """Some optimizer steps on a base."""

    base: Path
    config: TrainConfig
    device: Device
    threads: int

    def examples(self) -> list[Example]:
        """The rows of all steps in learning order, as our trainer arranges them."""
        tokenizer, context = ChainTokenizer.load(self.base), load_prepared(self.base).context
        rows = curated()
        (only,) = self.config.passes
        order = choose_rows(rows, only, batching=self.config.batching, seed=self.config.seed)
        return [encode_row(rows[place], tokenizer, context=context) for place in order]

    @property
    def lambda_(self) -> float:
        return self.config.passes[0].lambda_.start


@dataclass(frozen=True, slots=True)
class Turn:
    """What the steps of one turn came to, the first left out: it has what is done once."""

    seconds: float
    trained: int
    """Tokens that carry loss."""
    tokens: int
    """All tokens of the rows, without filling."""
    peak_bytes: int
    """Of the accelerator's memory, or of the process where there is none."""


def make_work(base: Path, folder: Path, *, device: Device, steps: int, size: int, threads: int) -> Work:
    """Steps of `size` rows over the curated set. Two of its validation rows are all that a run measures at its end."""
    validation = folder / "validation.jsonl"
    kept = read_sources([Source(file=Path(CURATED))], folder=DATA, split="validation")[0][:2]
    validation.write_text("".join(row.model_dump_json(exclude_none=True) + "\n" for row in kept), encoding="utf-8")
    return Work(
        base,
        settings(validation, steps=steps, size=size, rows=len(curated()), packed=device == "cuda"),
        device,
        threads,
    )


def settings(validation: Path, *, steps: int, size: int, rows: int, packed: bool = False) -> TrainConfig:
    """A configuration that comes to just so many steps of `size` of all `rows` rows."""
    return TrainConfig.model_validate(
        {
            "name": "bench",
            "train": [{"file": CURATED}],
            "validation": [{"file": str(validation), "split": "all"}],
            "lora": {"rank": 16, "alpha": 32, "targets": ["q", "k", "v", "o"]},
            "batching": {
                "rows_per_step": size,
                "micro_rows": min(size, MICRO_ROWS),
                "pack_tokens": PACK_TOKENS if packed else None,
            },
            "precision": "bfloat16",
            "passes": [
                {
                    "name": "bench",
                    "mix": {"opening": 1, "neutral": 1, "closing": 1},
                    # Steps are rounded up, so half a row less keeps an inexact product from making one more.
                    "epochs": (steps * size - 0.5) / rows,
                    "learning_rate": 1e-4,
                    "lambda": {"start": 0.5, "end": 0.5},
                }
            ],
        }
    )


def curated() -> Sequence[Row]:
    """The curated set's training rows."""
    return read_sources([Source(file=Path(CURATED))], folder=DATA, split="train")[0]


def tokens_of(examples: Sequence[Example]) -> tuple[int, int]:
    """How many tokens carry loss, and how many there are; the first of a row is never predicted."""
    trained = sum(sum(kind != 0 for kind in example.kinds[1:]) for example in examples)
    return trained, sum(len(example.tokens) - 1 for example in examples)
