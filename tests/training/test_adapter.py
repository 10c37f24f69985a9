"""Laws of how a base is held: fewer bits and recomputed layers change memory, not what is learned from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tear_training.adapter import ChainModel, add_adapter, load_base
from tear_training.config import BaseWeights, LoraSettings

IDS = torch.arange(200, 260).reshape(2, 30)


def model_of(base: Path, weights: BaseWeights = "float32", *, checkpointing: bool = False) -> ChainModel:
    loaded = load_base(base, longest=30, weights=weights, gradient_checkpointing=checkpointing)
    precision = torch.float32 if weights == "float32" else torch.bfloat16
    return ChainModel(add_adapter(loaded, LoraSettings(rank=8), seed=1), precision=precision)


def gradients(model: ChainModel) -> dict[str, Tensor]:
    model.train()
    model(IDS).square().sum().backward()
    return {name: each.grad for name, each in model.named_parameters() if each.grad is not None}


def test_gradient_checkpointing_changes_no_gradient(tiny_base: Path) -> None:
    kept, computed_again = gradients(model_of(tiny_base)), gradients(model_of(tiny_base, checkpointing=True))
    assert kept.keys() == computed_again.keys()
    assert all(torch.equal(kept[name], computed_again[name]) for name in kept)


@pytest.mark.parametrize(("weights", "apart"), [("bfloat16", 0.02), ("nf4", 0.25)])
def test_a_base_in_fewer_bits_says_nearly_the_same_and_teaches_the_adapter_alone(
    weights: BaseWeights, apart: float, tiny_base: Path
) -> None:
    exact, coarse = model_of(tiny_base), model_of(tiny_base, weights)
    with torch.no_grad():
        difference = (exact(IDS) - coarse(IDS).float()).norm() / exact(IDS).norm()
    assert 0 < difference < apart
    found = gradients(coarse)
    assert found
    assert all("lora_" in name and each.dtype is torch.float32 for name, each in found.items())


def test_a_base_in_four_bits_is_held_in_four_bits(tiny_base: Path) -> None:
    projection = model_of(tiny_base, "nf4").peft.get_base_model().model.layers[0].self_attn.q_proj.base_layer.weight
    assert projection.dtype is torch.uint8
    assert projection.numel() == 64 * 64 / 2
