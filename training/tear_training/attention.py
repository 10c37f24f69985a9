"""Attention over a pack of examples without FlashAttention: each example by itself, so no mask is ever made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention, softmax
from transformers import AttentionInterface

BY_EXAMPLE = "tear_by_example"
"""The name under which transformers finds it."""
SHORT = 512
"""Up to this length plain attention beats the blocked kernel on a CPU (1.3 times at 140 tokens)."""
FILLED = 0.75
"""Short examples at least this part as long as the longest are attended to together: a dozen small calls cost more."""


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
    lengths = [stop - start for start, stop in pairwise(edges)]
    queries, keys, values = (torch.split(each, lengths, dim=2) for each in (query, key, value))
    attended: dict[int, Tensor] = {}
    for group in _groups(lengths, query):
        q, k, v = (_side_by_side([parts[place] for place in group]) for parts in (queries, keys, values))
        out = _causal(q, k, v, scaling=scaling, dropout=dropout).chunk(len(group))
        attended |= {place: rows[:, :, : lengths[place]] for place, rows in zip(group, out, strict=True)}
    return torch.cat([attended[place] for place in range(len(lengths))], dim=2).transpose(1, 2), None


def _groups(lengths: Sequence[int], query: Tensor) -> list[list[int]]:
    """Places of examples that are attended to together: short ones of about the same length, and on a CPU alone."""
    groups: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        longest = lengths[groups[-1][0]] if groups else 0
        if query.device.type == "cpu" and FILLED * longest <= lengths[place] <= longest <= SHORT:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def _side_by_side(parts: Sequence[Tensor]) -> Tensor:
    """Examples (B, heads, T, D) filled up on the right to one length, where no token before sees it: (B·n, …)."""
    if len(parts) == 1:
        return parts[0]
    longest = parts[0].shape[2]
    return torch.cat([pad(part, (0, 0, 0, longest - part.shape[2])) for part in parts])


def _causal(query: Tensor, key: Tensor, value: Tensor, *, scaling: float, dropout: float) -> Tensor:
    if query.shape[2] <= SHORT and query.device.type == "cpu":
        return _plain(query, key, value, scaling=scaling, dropout=dropout)
    return scaled_dot_product_attention(
        query, key, value, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=True
    )


def _plain(query: Tensor, key: Tensor, value: Tensor, *, scaling: float, dropout: float) -> Tensor:
    """In the inputs' own precision but for the softmax; torch's plain kernel would take BF16 up to float32 throughout.

    The query heads of one key head lie end to end, so that no key and no value is copied for them.
    """
    batch, heads, length, width = query.shape
    of_keys = batch * key.shape[1]
    folded = query.reshape(of_keys, -1, width)
    later = query.new_full((length, length), -math.inf).triu(1).repeat(heads // key.shape[1], 1)
    keys = key.reshape(of_keys, length, width).transpose(1, 2)
    scores = torch.baddbmm(later.expand(of_keys, -1, -1), folded, keys, alpha=scaling)
    weights = torch.dropout(softmax(scores, dim=-1, dtype=torch.float32).to(value.dtype), dropout, train=dropout > 0)
    return (weights @ value.reshape(of_keys, length, width)).view(batch, heads, length, width)


def register() -> None:
    """Let transformers know it, which has no better place for it than a global one."""
    AttentionInterface.register(BY_EXAMPLE, attend_by_example)
