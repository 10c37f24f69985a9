"""Tiny random checkpoints with a real, cut Tekken tokenizer; nothing is downloaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch
from mistral_common.tokens.tokenizers.tekken import Tekkenizer
from transformers import Ministral3Config, Ministral3ForCausalLM, Mistral3Config, Mistral3ForConditionalGeneration

from tear_training.prepare import prepare_base

# Tiny matrices gain nothing from threads and lose much where cores are shared.
torch.set_num_threads(1)

SPECIALS = 128
RANKS = 1400
NAMED = {rank: token["token_str"] for rank, token in enumerate(Tekkenizer.DEPRECATED_SPECIAL_TOKENS)} | {
    32: "[ARGS]",
    33: "[CALL_ID]",
    34: "[THINK]",
    35: "[/THINK]",
}
ROPE = {
    "rope_type": "yarn",
    "rope_theta": 1e6,
    "factor": 16.0,
    "original_max_position_embeddings": 256,
    "max_position_embeddings": 4096,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "mscale": 1.0,
    "mscale_all_dim": 1.0,
    "llama_4_scaling_beta": 0.1,
}


@pytest.fixture(scope="session")
def tekken() -> dict[str, Any]:
    """The wheel's Tekken cut to its first merges, with a short list of special tokens."""
    source = json.loads((files("mistral_common") / "data" / "tekken_240911.json").read_text(encoding="utf-8"))
    config = source["config"] | {
        "num_vocab_tokens": RANKS,
        "default_vocab_size": SPECIALS + RANKS,
        "default_num_special_tokens": SPECIALS,
        "version": "v13",
    }
    names = [NAMED.get(rank, f"<SPECIAL_{rank}>") for rank in range(36)]
    special = [{"rank": rank, "token_str": name, "is_control": True} for rank, name in enumerate(names)]
    return {"config": config, "vocab": source["vocab"][:RANKS], "special_tokens": special}


@pytest.fixture(scope="session")
def text_config() -> Callable[..., Ministral3Config]:
    def make(**changes: object) -> Ministral3Config:
        values: dict[str, Any] = {
            "vocab_size": SPECIALS + RANKS,
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "max_position_embeddings": 4096,
            "rope_parameters": dict(ROPE),
            "tie_word_embeddings": True,
        }
        return Ministral3Config(**(values | changes))

    return make


@pytest.fixture
def text_checkpoint(tmp_path: Path, tekken: dict[str, Any], text_config: Callable[..., Ministral3Config]) -> Path:
    """A text-only checkpoint with untied head, in one BF16 file."""
    folder = tmp_path / "text"
    torch.manual_seed(1)
    Ministral3ForCausalLM(text_config(tie_word_embeddings=False)).to(torch.bfloat16).save_pretrained(folder)
    (folder / "tekken.json").write_text(json.dumps(tekken))
    return folder


@pytest.fixture
def wrapped_checkpoint(tmp_path: Path, tekken: dict[str, Any], text_config: Callable[..., Ministral3Config]) -> Path:
    """A checkpoint with a vision tower and tied head, in several BF16 shards."""
    folder = tmp_path / "wrapped"
    torch.manual_seed(2)
    vision = {
        "model_type": "pixtral",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "head_dim": 16,
        "image_size": 56,
        "patch_size": 14,
    }
    config = Mistral3Config(text_config=text_config().to_dict(), vision_config=vision, tie_word_embeddings=True)
    model = Mistral3ForConditionalGeneration(config).to(torch.bfloat16)
    model.save_pretrained(folder, max_shard_size="100KB")
    (folder / "tekken.json").write_text(json.dumps(tekken))
    return folder


@pytest.fixture(scope="session")
def tiny_base(
    tmp_path_factory: pytest.TempPathFactory,
    tekken: dict[str, Any],
    text_config: Callable[..., Ministral3Config],
) -> Path:
    """A prepared base of random weights, shared by the tests of a session."""
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(3)
    Ministral3ForCausalLM(text_config()).save_pretrained(folder / "source")
    (folder / "source" / "tekken.json").write_text(json.dumps(tekken))
    prepare_base(folder / "source", folder / "base", name="tear-tiny")
    return folder / "base"
