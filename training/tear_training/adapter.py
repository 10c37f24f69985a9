"""The adapter: a pure LoRA put on a prepared base's text layers, and its files as vLLM takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import BitsAndBytesConfig, Ministral3ForCausalLM
from transformers.utils import logging

from tear_chain.artifact import open_to_others
from tear_chain.errors import BaseError
from tear_chain.prepared import PreparedBase
from tear_training import ranks
from tear_training.config import BaseWeights, LoraSettings

_SHORT = 512
"""Up to this length plain attention beats the blocked kernel on a CPU (1.3 times at 140 tokens)."""


def load_base(
    folder: Path, *, longest: int, weights: BaseWeights = "float32", gradient_checkpointing: bool = False
) -> Ministral3ForCausalLM:
    """The prepared base with its weights held as `weights` says, for rows of up to `longest` tokens."""
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model = Ministral3ForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32 if weights == "float32" else torch.bfloat16,
            attn_implementation=attention_for(longest),
            **(_four_bits() if weights == "nf4" else {}),
        )
    except (OSError, ValueError, RuntimeError) as exc:
        raise BaseError(f"{folder} cannot be loaded: {exc}.") from exc
    except ImportError as exc:
        raise BaseError(f"base_weights nf4 needs bitsandbytes: pip install 'the-tear[qlora]' ({exc}).") from exc
    for module in model.modules():
        # On a CPU bitsandbytes would repack what an evaluation reads, and no gradient can pass what is repacked.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            setattr(module, "support_avx512bf16_for_cpu", False)  # noqa: B010 - mypy knows tensors and modules only
    if gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    return model


def attention_for(longest: int) -> str:
    """The kernel for rows of up to `longest` tokens."""
    return "eager" if longest <= _SHORT and not torch.cuda.is_available() else "sdpa"


def _four_bits() -> dict[str, Any]:
    config = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    # Packed weights are made where they are used: each process has its own card.
    return {"quantization_config": config, "device_map": {"": ranks.device()}}


def add_adapter(model: Ministral3ForCausalLM, settings: LoraSettings, *, seed: int) -> PeftModel:
    """Wrap the base in a fresh, seeded LoRA; everything else is frozen."""
    torch.manual_seed(seed)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]
        lora_dropout=settings.dropout,
        # A regular expression, so that no layer of a vision tower can ever match.
        target_modules=rf"model\.layers\.\d+\.(self_attn|mlp)\.({'|'.join(settings.targets)})_proj",
        bias="none",
        task_type="CAUSAL_LM",
    )
    peft = get_peft_model(model, config)
    if not isinstance(peft, PeftModel):
        raise TypeError(f"peft made a {type(peft).__name__}, expected PeftModel")
    return peft


def save_adapter(peft: PeftModel, folder: Path, *, base: PreparedBase) -> None:
    """Write weights and configuration; the base is named, never a path on this machine."""
    config = peft.peft_config["default"]
    config.base_model_name_or_path = base.name
    config.inference_mode = True
    peft.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
    open_to_others(folder / "adapter_model.safetensors")
    # PEFT's own card template; ours is written by the trainer.
    (folder / "README.md").unlink(missing_ok=True)


class ChainModel(nn.Module):
    """The model as the loss needs it: hidden states (B, T, H) and the frozen head (V, H), both in `precision`."""

    def __init__(self, peft: PeftModel, *, precision: torch.dtype) -> None:
        super().__init__()
        self.peft = peft
        self.precision = precision
        head: Tensor = peft.get_base_model().lm_head.weight  # type: ignore[union-attr, assignment]
        # Not a parameter of this module once more: the base holds it already, and it is frozen.
        self.register_buffer("head", head.detach().to(precision), persistent=False)
        self.head: Tensor

    def forward(self, inputs: Tensor) -> Tensor:
        """Final hidden states of rows padded on the right; no mask is needed, since attention is causal."""
        text = self.peft.get_base_model().model
        with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=self.precision is torch.bfloat16):
            states: Tensor = text(input_ids=inputs, use_cache=False).last_hidden_state  # type: ignore[operator]
        return states.to(self.precision)
