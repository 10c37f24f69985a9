"""Distillation from the frozen base: how far what the model foretells of plain text has moved from the base's.

The base is the model itself with its adapter switched off, so nothing is held beside it; it reads the texts alone.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from tear_training.adapter import ChainModel
from tear_training.examples import Batch
from tear_training.loss import KINDS, REHEARSAL, segment_sums, tile_rows

_REHEARSED = KINDS.index(REHEARSAL)


def without_texts(kinds: Tensor) -> Tensor:
    """The same with plain text as context, which has no loss of its own."""
    return kinds.masked_fill(kinds == _REHEARSED, 0)


def divergence_sums(model: ChainModel, hidden: Tensor, batch: Batch, *, is_learned: bool) -> Tensor:
    """KL(base || trained) summed over the batch's plain text, by kind `(kinds,)`; `hidden` (B, T, H) is the model's."""
    kinds = batch["kinds"]
    where = kinds == _REHEARSED
    if not where.any():
        return hidden.new_zeros(len(KINDS), dtype=torch.float32)
    states = hidden[where] if is_learned else hidden.detach()[where]
    return segment_sums(divergence(states, model.head, _base_states(model, batch, where)), kinds[where])


def divergence(hidden: Tensor, head: Tensor, base: Tensor) -> Tensor:
    """KL(base || trained) of each next token: `hidden` and the base's (N, H), frozen `head` (V, H) -> (N,).

    As in `token_nll` logits exist one tile of rows at a time, and the gradient is taken while they do.
    """
    if head.requires_grad or base.requires_grad:
        raise ValueError("divergence takes a frozen head and a frozen base: it returns no gradient for them.")
    return cast(Tensor, _Divergence.apply(hidden, head, base))  # type: ignore[no-untyped-call]


def _base_states(model: ChainModel, batch: Batch, where: Tensor) -> Tensor:
    """The base's hidden states (N, H) at the places `where` (B, T), in their order."""
    inputs, positions = batch["inputs"], batch["positions"]
    if len(inputs) == 1:
        # Of a pack the texts are a pack again: each is there from its first position to its last.
        inputs, positions, where = inputs[:, where[0]], positions[:, where[0]], where[:, where[0]]
    else:
        rows, width = where.any(1), int(where.sum(1).max())
        inputs, positions, where = inputs[rows, :width], positions[rows, :width], where[rows, :width]
    with torch.no_grad(), model.peft.disable_adapter():
        states: Tensor = model(inputs, positions)
    return states[where]


class _Divergence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, base: Tensor) -> Tensor:
        exact = torch.promote_types(hidden.dtype, torch.float32)
        found = torch.empty(len(hidden), dtype=exact, device=hidden.device)
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        rows = tile_rows(len(head), device=hidden.device)
        for start in range(0, len(hidden), rows):
            tile = slice(start, start + rows)
            trained = (hidden[tile] @ head.T).to(exact).log_softmax(-1)
            wanted = (base[tile] @ head.T).to(exact).log_softmax(-1)
            shares = wanted.exp()
            found[tile] = wanted.sub_(trained).mul_(shares).sum(-1)
            if gradient is not None:
                gradient[tile] = trained.exp_().sub_(shares).to(head.dtype) @ head
        ctx.save_for_backward(gradient)
        return found

    @staticmethod
    def backward(ctx: Any, grad_found: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad_found[:, None].to(gradient.dtype), None, None
