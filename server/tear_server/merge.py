"""An adapter merged into its base: a prepared base that answers as both did, without the cost of a LoRA."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tear_chain.artifact import describe, fingerprint, open_to_others, read_card, write_card
from tear_chain.errors import AdapterError, BaseError
from tear_chain.manifest import CONFIG_FILE, WEIGHTS_FILE, Manifest
from tear_chain.prepared import CARD_FILE, PreparedBase, load_prepared, save_prepared
from tear_server.adapters import Adapter, open_adapter

if TYPE_CHECKING:
    from torch import Tensor

MERGED_FILE = "merged_adapter.json"
"""The manifest of the adapter that a base has taken in; listed on the base's card like its weights."""
_SUFFIX = ".safetensors"
_HALF = re.compile(r"base_model\.model\.(.+)\.lora_[AB]\.weight")
_PLAIN_STARTS = (True, False, "gaussian", "orthogonal", "eva")
"""`init_lora_weights` that leave the base as it is; others would have the adapter trained on a changed one."""
_UNKNOWN = (
    "use_dora",
    "use_qalora",
    "use_bdlora",
    "fan_in_fan_out",
    "lora_bias",
    "modules_to_save",
    "trainable_token_indices",
    "target_parameters",
    "layer_replication",
    "alpha_pattern",
    "arrow_config",
    "monteclora_config",
    "velora_config",
    "kasa_config",
    "alora_invocation_tokens",
)
"""Settings of PEFT that change what an adapter computes, in ways that are not merged here."""


@dataclass(frozen=True, slots=True)
class _Update:
    """What a LoRA adds to one weight (out, in): `up` (out, rank) times `down` (rank, in), times `scale`."""

    down: Tensor
    up: Tensor
    scale: float


@dataclass(frozen=True, slots=True)
class _Scaling:
    alpha: float
    by_root: bool
    """Rank-stabilized LoRA divides by the root of the rank."""

    def at(self, rank: int) -> float:
        return self.alpha / (rank**0.5 if self.by_root else rank)


def merge_adapter(base: Path, adapter: Path, out: Path) -> Adapter:
    """Write `base` with `adapter` in its weights to `out`, as a prepared base; the adapter that is in it now.

    Each weight becomes W + (alpha / r) B A, computed in float32 and rounded to the base's own type, one file of
    weights after the other. Raises `AdapterError` unless every key of the adapter finds its weight and changes it.
    `out` holds nothing, or the same merge already; it is whole or not there.
    """
    card = load_prepared(base)
    merged = open_adapter(adapter, card)
    if out.exists() and not out.is_dir():
        raise BaseError(f"{out} is not a folder.")
    if out.is_dir() and any(out.iterdir()):
        if (out / CARD_FILE).is_file():
            found = merged_adapter(out, load_prepared(out))
            if found is not None and found.manifest == merged.manifest:
                return found
        raise BaseError(f"{out} is not empty, and not {card.name} with {merged.name} in it. Name another folder.")
    updates = _read_updates(adapter)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as work:
        whole = Path(work) / "whole"
        whole.mkdir()
        for name in card.files:
            if name.endswith(_SUFFIX):
                _merge_file(base / name, whole / name, updates)
            elif name != MERGED_FILE:
                shutil.copyfile(base / name, whole / name)
        if updates:
            raise AdapterError(f"{adapter} has weights for {', '.join(sorted(updates)[:3])}, which {base} has not.")
        write_card(whole / MERGED_FILE, merged.manifest)
        files = {path.name: describe(path) for path in sorted(whole.iterdir())}
        source = f"{card.name} {card.fingerprint} with {merged.manifest.name} {merged.name} merged in"
        save_prepared(
            whole, card.model_copy(update={"fingerprint": fingerprint(files), "source": source, "files": files})
        )
        if out.is_dir():
            out.rmdir()
        whole.rename(out)
    return Adapter(out, merged.manifest)


def merged_adapter(folder: Path, card: PreparedBase) -> Adapter | None:
    """The adapter that a prepared base has taken in; None for a base that has taken in none."""
    if MERGED_FILE not in card.files:
        return None
    return Adapter(folder, read_card(folder / MERGED_FILE, Manifest, BaseError))


def _read_updates(folder: Path) -> dict[str, _Update]:
    """By the name of the weight that each changes; `AdapterError` for what is more than a plain LoRA."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    scaling = _read_scaling(folder / CONFIG_FILE)
    try:
        tensors = load_file(folder / WEIGHTS_FILE)
    except SafetensorError as exc:
        raise AdapterError(f"{folder / WEIGHTS_FILE} is not a file of safetensors: {exc}.") from exc
    updates: dict[str, _Update] = {}
    for key in tensors:
        module = found[1] if (found := _HALF.fullmatch(key)) else ""
        down, up = (tensors.get(f"base_model.model.{module}.lora_{half}.weight") for half in "AB")
        if down is None or up is None:
            raise AdapterError(f"{folder / WEIGHTS_FILE} holds {key}, which is no half of a LoRA's pair.")
        updates[f"{module}.weight"] = _Update(down, up, scaling.at(down.shape[0]))
    if not updates:
        raise AdapterError(f"{folder / WEIGHTS_FILE} is empty.")
    return updates


def _read_scaling(path: Path) -> _Scaling:
    try:
        config = json.loads(path.read_bytes())
        kind, alpha = config["peft_type"], float(config["lora_alpha"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise AdapterError(f"{path} is not the configuration of a LoRA: {exc!r}.") from exc
    if kind != "LORA":
        raise AdapterError(f"{path} says peft_type {kind}; only a LoRA can be merged.")
    odd = [name for name in _UNKNOWN if config.get(name)]
    if config.get("bias", "none") != "none":
        odd.append("bias")
    if config.get("init_lora_weights", True) not in _PLAIN_STARTS:
        odd.append("init_lora_weights")
    if odd:
        raise AdapterError(f"{path} sets {', '.join(odd)}, which cannot be merged here. Serve the adapter unmerged.")
    return _Scaling(alpha, bool(config.get("use_rslora")))


def _merge_file(source: Path, target: Path, updates: dict[str, _Update]) -> None:
    """Copy one file of weights with its updates, which are taken out of `updates`."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    tensors = {}
    with safe_open(source, framework="pt") as file:
        metadata = file.metadata()
        for name in file.keys():  # noqa: SIM118 - it is no mapping
            weight = file.get_tensor(name)
            update = updates.pop(name, None)
            tensors[name] = weight if update is None else _updated(name, weight, update)
    save_file(tensors, target, metadata=metadata)
    open_to_others(target)


def _updated(name: str, weight: Tensor, update: _Update) -> Tensor:
    """The weight (out, in) with its update, in its own type; `AdapterError` unless that is another weight."""
    import torch

    shape = (update.up.shape[0], update.down.shape[1])
    if weight.shape != shape or update.up.shape[1] != update.down.shape[0] or not weight.is_floating_point():
        raise AdapterError(
            f"The adapter's weights for {name} are {tuple(update.up.shape)} by {tuple(update.down.shape)}; the base's "
            f"are {tuple(weight.shape)} in {weight.dtype}."
        )
    delta = update.up.float() @ update.down.float() * update.scale
    merged = (weight.float() + delta).to(weight.dtype)
    if not torch.isfinite(merged).all():
        raise AdapterError(f"The adapter's weights for {name} are not numbers, or too large.")
    if torch.equal(merged, weight):
        raise AdapterError(f"The adapter changes nothing in {name}: its weights are zero, or too small for the base's.")
    return merged
