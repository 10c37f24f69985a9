"""The dual-objective loss: NLL(response)/N_r + λ·NLL(consequence)/N_c, with counts over a whole optimizer step.

Micro-batches and ranks hand in sums; the one division comes last, by the counts of all of them. A consequence is
about three times as long as a response, so with one mean over all tokens λ would not mean what it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from tear_chain.format import SegmentKind

KINDS: tuple[SegmentKind, ...] = tuple(SegmentKind)
"""Segment kinds by the number that stands for them in tensors; 0 is context, which is never learned."""

_TILE_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Objective:
    """What each segment kind counts within its own mean; a kind that is absent is not learned."""

    response: Mapping[SegmentKind, float]
    consequence: Mapping[SegmentKind, float]

    def share(self, part: Mapping[SegmentKind, float], like: Tensor) -> Tensor:
        """The weights of one of the two means as `(kinds,)`."""
        return torch.tensor([part.get(kind, 0.0) for kind in KINDS], dtype=like.dtype, device=like.device)


@dataclass(frozen=True, slots=True)
class DualLoss:
    """The loss and its two means, all differentiable."""

    total: Tensor
    response: Tensor
    consequence: Tensor


def token_nll(hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood of each target: `hidden` (N, H), frozen `head` (V, H), `targets` (N,) -> (N,).

    The logits exist one tile of rows at a time, and log-sum-exp is taken in float32 at least.
    """
    if head.requires_grad:
        raise ValueError("token_nll takes a frozen head: it returns no gradient for it.")
    return cast(Tensor, _TokenNll.apply(hidden, head, targets))  # type: ignore[no-untyped-call]


def segment_sums(nll: Tensor, kinds: Tensor) -> Tensor:
    """Sum of `nll` (N,) by segment kind (N,) -> (kinds,)."""
    return nll.new_zeros(len(KINDS)).index_add(0, kinds, nll)


def segment_counts(kinds: Tensor) -> Tensor:
    """How many tokens there are of each kind, of any shape -> (kinds,); context is never counted."""
    counts = torch.bincount(kinds.flatten(), minlength=len(KINDS))
    counts[KINDS.index(SegmentKind.CONTEXT)] = 0
    return counts


def dual_loss(sums: Tensor, counts: Tensor, objective: Objective, *, lambda_: float) -> DualLoss:
    """Divide one micro-batch's sums by the whole step's counts; over micro-batches this adds up to the step's loss."""
    counts = counts.to(sums.dtype)
    response = _mean(sums, counts, objective.share(objective.response, sums))
    consequence = _mean(sums, counts, objective.share(objective.consequence, sums))
    return DualLoss(response + lambda_ * consequence, response, consequence)


def _mean(sums: Tensor, counts: Tensor, share: Tensor) -> Tensor:
    weight = (share * counts).sum()
    # A step without any such token has no such mean; its sum is zero, and so is its part of the loss.
    return (share * sums).sum() / torch.where(weight > 0, weight, torch.ones_like(weight))


class _TokenNll(torch.autograd.Function):
    """Takes the gradient while a tile's logits are at hand, so that backward neither keeps nor repeats them."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        exact = torch.promote_types(hidden.dtype, torch.float32)
        nll = torch.empty(len(hidden), dtype=exact, device=hidden.device)
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for start in range(0, len(hidden), _TILE_ROWS):
            tile = slice(start, start + _TILE_ROWS)
            logits = (hidden[tile] @ head.T).to(exact)
            norm = logits.logsumexp(-1, keepdim=True)
            picked = logits.gather(-1, targets[tile, None])
            nll[tile] = (norm - picked).squeeze(-1)
            if gradient is not None:
                surprise = logits.sub_(norm).exp_()
                surprise.scatter_add_(-1, targets[tile, None], torch.full_like(picked, -1.0))
                gradient[tile] = surprise.to(head.dtype) @ head
        ctx.save_for_backward(gradient)
        return nll

    @staticmethod
    def backward(ctx: Any, grad_nll: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad_nll[:, None].to(gradient.dtype), None, None
