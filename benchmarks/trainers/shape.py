"""Bases to train on: Ministral 3 with its whole vocabulary and random weights, small enough for two cores or 3B."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from true_shape import TEXT, make_checkpoint, write_tekken

ShapeName = Literal["tiny", "3b"]
TINY: Mapping[str, int] = {
    "hidden_size": 512,
    "intermediate_size": 1536,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 64,
}


def make_base(shape: ShapeName, folder: Path) -> Path:
    """A prepared base of this shape inside `folder`."""
    import torch
    from transformers import Ministral3Config, Ministral3ForCausalLM

    from tear_training.prepare import prepare_base

    source = folder / "source"
    source.mkdir()
    if shape == "3b":
        make_checkpoint(source)
    else:
        torch.manual_seed(20)
        config = Ministral3Config(**(TEXT | TINY))
        Ministral3ForCausalLM(config).to(torch.bfloat16).save_pretrained(source)
        write_tekken(source / "tekken.json")
    prepare_base(source, folder / "base", name=f"bench-{shape}")
    return folder / "base"


def flops(shape: ShapeName, *, tokens: int, trained: int) -> int:
    """Floating-point operations that a step of LoRA cannot do without: forward, and backward to the activations.

    A frozen matrix has no gradient of its own, so it counts four times its size per token and not six; the head meets
    trained tokens alone. Attention's own products, the adapter's and whatever is computed twice count nothing.
    """
    text: Mapping[str, int] = {**{key: value for key, value in TEXT.items() if isinstance(value, int)}}
    if shape == "tiny":
        text = {**text, **TINY}
    hidden, heads = text["hidden_size"], text["num_attention_heads"] * text["head_dim"]
    attention = hidden * (2 * heads + 2 * text["num_key_value_heads"] * text["head_dim"])
    layers = text["num_hidden_layers"] * (attention + 3 * hidden * text["intermediate_size"])
    return 4 * (layers * tokens + text["vocab_size"] * hidden * trained)
