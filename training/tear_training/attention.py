"""Attention over a pack of examples without FlashAttention: each example by itself, so no mask is ever made."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

BY_EXAMPLE = "tear_by_example"
"""The name under which transformers finds it."""
SHORT = 512
"""Up to this length plain attention beats the blocked kernel on a CPU (1.3 times at 140 tokens)."""


def attend_by_example(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float,
    dropout: float = 0.0,
    cu_seq_lens_q: Tensor | None = None,
    **unused: Any,
) -> tuple[Tensor, None]:
    """Causal attention within each example: `query` (B, heads, T, D), fewer heads of `key` and `value`.

    `cu_seq_lens_q` tells where the examples of a single row begin, and its end, as FlashAttention is told; without
    it every row is one example, filled up on the right. A mask over the pack would be exact, too, and take the square
    of its length in time and memory.
    """
    edges = [0, query.shape[2]] if cu_seq_lens_q is None else cu_seq_lens_q.tolist()
    parts = []
    for start, stop in pairwise(edges):
        is_short = stop - start <= SHORT and query.device.type == "cpu"
        with sdpa_kernel(SDPBackend.MATH) if is_short else nullcontext():
            parts.append(
                scaled_dot_product_attention(
                    query[:, :, start:stop],
                    key[:, :, start:stop],
                    value[:, :, start:stop],
                    dropout_p=dropout,
                    is_causal=True,
                    scale=scaling,
                    enable_gqa=True,
                )
            )
    return torch.cat(parts, dim=2).transpose(1, 2), None


def register() -> None:
    """Let transformers know it, which has no better place for it than a global one."""
    AttentionInterface.register(BY_EXAMPLE, attend_by_example)
