"""What is evaluated: a prepared base with an adapter laid into it, or the base alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from peft import PeftModel
from transformers import Ministral3ForCausalLM

from tear_chain.errors import AdapterError
from tear_chain.manifest import Manifest, check_fit, load_manifest
from tear_chain.prepared import PreparedBase, load_prepared
from tear_chain.tokenizer import ChainTokenizer
from tear_training.adapter import load_base

_LONGEST = 768
"""Which attention kernel to load; it is the packing of `scorer`, not a limit."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A model with all that is known of it."""

    base: PreparedBase
    manifest: Manifest | None
    """None for the base alone."""
    tokenizer: ChainTokenizer
    model: Ministral3ForCausalLM
    """In float32; the adapter is merged into the weights."""

    @property
    def name(self) -> str:
        """The adapter's name, or the base's."""
        return self.base.name if self.manifest is None else self.manifest.name


def load_subject(base: Path, adapter: Path | None) -> Subject:
    """Load the base, and the adapter into it; `ArtifactError` says which of them cannot be used or do not fit."""
    card = load_prepared(base)
    manifest = None
    if adapter is not None:
        manifest = load_manifest(adapter)
        check_fit(manifest, card)
    model = load_base(base, longest=_LONGEST)
    if adapter is not None:
        model = _merge(model, adapter)
    model.requires_grad_(False)
    if torch.cuda.is_available():
        model.to("cuda")  # type: ignore[arg-type]
    model.train(False)
    return Subject(card, manifest, ChainTokenizer.load(base), model)


def _merge(model: Ministral3ForCausalLM, adapter: Path) -> Ministral3ForCausalLM:
    try:
        merged = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    except (OSError, ValueError, RuntimeError) as exc:
        raise AdapterError(f"{adapter} cannot be laid into its base: {exc}.") from exc
    if not isinstance(merged, Ministral3ForCausalLM):
        raise TypeError(f"peft made a {type(merged).__name__}, expected Ministral3ForCausalLM")
    return merged
