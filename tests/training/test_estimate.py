"""Laws of the estimate; how near it comes to what is held is measured by benchmarks/memory.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from training.runs import config
from transformers import Ministral3Config

from tear_training.estimate import MemoryEstimate, MicroBatch, estimate_memory, text_parameters

BATCH = MicroBatch(rows=8, length=100, learned=400)


def estimate(base: Path, *, batch: MicroBatch = BATCH, **changes: Any) -> MemoryEstimate:
    shape = Ministral3Config.from_pretrained(base)
    assert isinstance(shape, Ministral3Config)
    return estimate_memory(shape, config(lora={"rank": 16}, **changes), batch=batch)


def test_the_adapter_is_as_large_as_its_file(nano_base: Path, nano_adapter: Path) -> None:
    targets = ["q", "k", "v", "o", "gate", "up", "down"]
    shape = Ministral3Config.from_pretrained(nano_base)
    assert isinstance(shape, Ministral3Config)
    found = estimate_memory(shape, config(lora={"rank": 16, "targets": targets}), batch=BATCH)
    held = sum(tensor.nbytes for tensor in load_file(nano_adapter / "adapter_model.safetensors").values())
    assert found.adapter == found.gradients == held
    assert found.optimizer == 2 * held


@pytest.mark.parametrize(("weights", "bytes_each"), [("float32", 4), ("bfloat16", 2), ("nf4", 0.516)])
def test_the_base_takes_the_bytes_of_its_weights(weights: str, bytes_each: float, tiny_base: Path) -> None:
    shape = Ministral3Config.from_pretrained(tiny_base)
    assert isinstance(shape, Ministral3Config)
    table = shape.vocab_size * shape.hidden_size
    # A base in float32 holds its head once more, in the precision of the products.
    tables = table * (4 + 2 if weights == "float32" else 2)
    found = estimate(tiny_base, base_weights=weights, precision="bfloat16").weights
    assert found == pytest.approx(text_parameters(shape) * bytes_each + tables, rel=0.01)


def test_twice_the_rows_keep_twice_as_much_and_checkpointing_keeps_little(tiny_base: Path) -> None:
    kept = estimate(tiny_base).activations
    twice = estimate(tiny_base, batch=MicroBatch(rows=16, length=100, learned=800)).activations
    assert twice == pytest.approx(2 * kept, rel=0.05)
    assert estimate(tiny_base, gradient_checkpointing=True).activations < kept / 4


def test_the_largest_shape_fits_the_card_that_the_page_names() -> None:
    shape = Ministral3Config(
        vocab_size=131072,
        hidden_size=3072,
        intermediate_size=9216,
        num_hidden_layers=26,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=128,
        tie_word_embeddings=True,
    )
    settings = config(
        lora={"rank": 16, "dropout": 0.05},
        base_weights="bfloat16",
        precision="bfloat16",
        gradient_checkpointing=True,
    )
    found = estimate_memory(shape, settings, batch=MicroBatch(rows=1, length=2048, learned=1024))
    assert found.total / 1e9 == pytest.approx(7.8, abs=0.1)
