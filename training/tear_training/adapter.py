"""The adapter: a pure LoRA put on a prepared base's text layers, and its files as vLLM takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import BitsAndBytesConfig, Ministral3ForCausalLM
from transformers.modeling_flash_attention_utils import FlashAttentionKwargs, prepare_fa_kwargs_from_position_ids
from transformers.utils import logging
from transformers.utils.import_utils import is_flash_attn_2_available

from tear_chain.artifact import open_to_others
from tear_chain.errors import BaseError
from tear_chain.prepared import PreparedBase
from tear_training import ranks
from tear_training.attention import BY_EXAMPLE, SHORT, register
from tear_training.config import BaseWeights, LoraSettings


def load_base(
    folder: Path,
    *,
    longest: int,
    precision: str = "float32",
    is_packed: bool = False,
    weights: BaseWeights = "float32",
    gradient_checkpointing: bool = False,
) -> Ministral3ForCausalLM:
    """The prepared base, held as `weights` says, for rows of up to `longest` tokens and products in `precision`."""
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    attention = attention_for(longest, precision=precision, is_packed=is_packed)
    try:
        model = Ministral3ForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32 if weights == "float32" else torch.bfloat16,
            attn_implementation=attention,
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


def attention_for(longest: int, *, precision: str, is_packed: bool) -> str:
    """The kernel for rows of up to `longest` tokens."""
    if precision == "bfloat16" and is_flash_attn_2_available():
        return "flash_attention_2"
    if is_packed:
        register()
        return BY_EXAMPLE
    return "eager" if longest <= SHORT and not torch.cuda.is_available() else "sdpa"


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

    def forward(self, inputs: Tensor, positions: Tensor | None = None) -> Tensor:
        """Final hidden states of rows padded on the right, or of one row of examples that `positions` tell apart.

        No mask is needed: attention is causal, and kept within each run of positions.
        """
        text = self.peft.get_base_model().model
        runs = {} if positions is None or len(inputs) > 1 else _runs(positions)
        with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=self.precision is torch.bfloat16):
            states: Tensor = text(  # type: ignore[operator]
                input_ids=inputs, position_ids=positions, use_cache=False, **runs
            ).last_hidden_state
        return states.to(self.precision)


def _runs(positions: Tensor) -> FlashAttentionKwargs:
    """Where examples begin, as FlashAttention is told: Ministral 3 hands its kernels no positions to see it by."""
    (starts, _), (longest, _) = prepare_fa_kwargs_from_position_ids(positions)  # type: ignore[no-untyped-call]
    return {"cu_seq_lens_q": starts, "cu_seq_lens_k": starts, "max_length_q": longest, "max_length_k": longest}
