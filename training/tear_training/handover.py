"""The hand-over: what was trained is looked through as vLLM would, gets its card, and last its manifest."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from tear_chain.artifact import PICKLED
from tear_chain.errors import AdapterError
from tear_chain.manifest import CONFIG_FILE, MODEL_CARD_FILE, WEIGHTS_FILE, Manifest, save_manifest
from tear_chain.prepared import PreparedBase
from tear_training.checkpoint import find_shards, read_entries
from tear_training.config import TrainConfig
from tear_training.model_card import render_card

VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM takes as `--max-lora-rank`; the server asks it for an adapter's own rank."""
REFUSED_SETTINGS = (
    "alora_invocation_tokens",
    "alpha_pattern",
    "layer_replication",
    "lora_bias",
    "modules_to_save",
    "rank_pattern",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_dora",
    "use_qalora",
)
"""Settings of PEFT that make an adapter more than a plain LoRA: vLLM refuses most, and not all of them loudly."""
_PLAIN_STARTS = (True, False, "gaussian", "orthogonal", "eva")
_HALF = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")
_LAYER = re.compile(r"model\.layers\.\d+\.(self_attn|mlp)\.\w+_proj")


def hand_over(folder: Path, manifest: Manifest, config: TrainConfig, *, base: Path, card: PreparedBase) -> None:
    """Make the adapter in `folder` whole: checked, its model card written, its manifest last.

    `base` is the folder of the prepared base that `card` describes. Raises `AdapterError` before the manifest is
    written, so that what vLLM would refuse, or pass over without a word, never becomes an adapter.
    """
    check_plain_lora(folder, base=base, rank=manifest.rank)
    (folder / MODEL_CARD_FILE).write_text(render_card(manifest, config, base=card), encoding="utf-8")
    save_manifest(folder, manifest)


def check_plain_lora(folder: Path, *, base: Path, rank: int) -> None:
    """Raise `AdapterError` unless `folder` holds a plain LoRA of that rank whose every weight has its place in `base`.

    vLLM loads a LoRA with keys of no module without a word, and then serves the bare base.
    """
    if rank not in VLLM_RANKS:
        raise AdapterError(f"The adapter has rank {rank}; vLLM takes {', '.join(map(str, VLLM_RANKS))}.")
    if pickles := sorted(path.name for path in folder.iterdir() if path.suffix.lower() in PICKLED):
        raise AdapterError(f"{folder} holds {', '.join(pickles)}, which may run code when read: safetensors only.")
    _check_settings(folder / CONFIG_FILE, rank=rank)
    path = folder / WEIGHTS_FILE
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as exc:
        raise AdapterError(f"{path} is not a file of safetensors: {exc}.") from exc
    if not tensors:
        raise AdapterError(f"{path} is empty.")
    shapes = {entry.name: entry.shape for shard in find_shards(base) for entry in read_entries(shard)}
    for name in tensors:
        _check_half(name, tensors, shapes=shapes, rank=rank, path=path)


def _check_settings(path: Path, *, rank: int) -> None:
    try:
        settings: dict[str, Any] = json.loads(path.read_bytes())
        kind, of = settings["peft_type"], settings["r"]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise AdapterError(f"{path} is not the configuration of a LoRA: {exc!r}.") from exc
    if kind != "LORA" or of != rank:
        raise AdapterError(f"{path} says {kind} of rank {of}, expected LORA of rank {rank}.")
    odd = [name for name in REFUSED_SETTINGS if settings.get(name)]
    odd += ["bias"] if settings.get("bias", "none") != "none" else []
    odd += ["init_lora_weights"] if settings.get("init_lora_weights", True) not in _PLAIN_STARTS else []
    if odd:
        raise AdapterError(f"{path} sets {', '.join(odd)}: that is no plain LoRA, and vLLM would not serve it.")


def _check_half(
    name: str, tensors: Mapping[str, Tensor], *, shapes: Mapping[str, tuple[int, ...]], rank: int, path: Path
) -> None:
    found = _HALF.fullmatch(name)
    if found is None:
        raise AdapterError(f"{path} holds {name}, which is no half of a LoRA's pair.")
    module, half = found[1], found[2]
    weight = shapes.get(f"{module}.weight")
    if weight is None or not _LAYER.fullmatch(module):
        raise AdapterError(f"{path} holds {name}: the base has no such layer of its text model.")
    if f"base_model.model.{module}.lora_{'B' if half == 'A' else 'A'}.weight" not in tensors:
        raise AdapterError(f"{path} holds {name} without its other half.")
    expected = (rank, weight[1]) if half == "A" else (weight[0], rank)
    tensor = tensors[name]
    if tuple(tensor.shape) != expected or not tensor.is_floating_point():
        raise AdapterError(f"{path} holds {name} as {tuple(tensor.shape)} {tensor.dtype}, expected {expected} floats.")
    if not torch.isfinite(tensor).all():
        raise AdapterError(f"{path} holds {name} with values that are no numbers.")
