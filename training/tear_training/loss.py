"""The dual-objective loss: NLL(response)/N_r + λ·NLL(consequence)/N_c, with counts over a whole optimizer step.

Micro-batches and ranks hand in sums; the one division comes last, by the counts of all of them. A consequence is
about three times as long as a response, so with one mean over all tokens λ would not mean what it says. What is divided
by what, `normalize` says:

    segment   S_r / N_r + λ · S_c / N_c           two means over tokens
    token     (S_r + λ · S_c) / (N_r + λ · N_c)   one mean over tokens, those of consequence weighing λ
    example   as segment, but two means over examples, each of which is a mean over its own tokens

λ = 0 is the response alone in each of them, to the last bit: what has no weight is measured, never differentiated.
Plain text that is rehearsed beside the rows adds μ · S_p / N_p to any of them, a mean over its own tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

import torch
from torch import Tensor

from tear_chain.format import SegmentKind
from tear_training.config import Normalize

REHEARSAL: Final = "rehearsal"
"""What a token of plain text is for: no chain holds such a segment, so the chain does not know it."""
Kind = SegmentKind | Literal["rehearsal"]
KINDS: tuple[Kind, ...] = (*SegmentKind, REHEARSAL)
"""Kinds by the number that stands for them in tensors; 0 is context, which is never learned."""

_REHEARSED = KINDS.index(REHEARSAL)
_TILE_ROWS = 1024
_CPU_TILE_BYTES = 64 << 20
"""On a CPU a tile's logits should lie in the caches: of a large vocabulary a tile is fewer rows there."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What each segment kind counts within its own mean; a kind that is absent is not learned."""

    response: Mapping[Kind, float]
    consequence: Mapping[Kind, float]
    normalize: Normalize = "segment"
    rehearsal: float = 0.0
    """μ, what the mean of plain text counts beside both."""

    def learned(self, lambda_: float, like: Tensor) -> Tensor:
        """Which kinds have a weight in the loss, as booleans `(kinds,)`."""
        learned = self.share(self.response, like) != 0
        if lambda_ != 0:
            learned = learned | (self.share(self.consequence, like) != 0)
        learned[_REHEARSED] = self.rehearsal != 0
        return learned

    def share(self, part: Mapping[Kind, float], like: Tensor) -> Tensor:
        """The weights of one of the two means as `(kinds,)`."""
        return torch.tensor([part.get(kind, 0.0) for kind in KINDS], dtype=like.dtype, device=like.device)


@dataclass(frozen=True, slots=True)
class DualLoss:
    """The loss, differentiable, and its means: the first two by tokens or by examples as `normalize` says."""

    total: Tensor
    response: Tensor
    consequence: Tensor
    rehearsal: Tensor
    """By tokens; zero without any."""


def token_nll(hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood of each target: `hidden` (N, H), frozen `head` (V, H), `targets` (N,) -> (N,).

    The logits exist one tile of rows at a time, and log-sum-exp is taken in float32 at least.
    """
    if head.requires_grad:
        raise ValueError("token_nll takes a frozen head: it returns no gradient for it.")
    return cast(Tensor, _TokenNll.apply(hidden, head, targets))  # type: ignore[no-untyped-call]


def kind_sums(
    hidden: Tensor,
    head: Tensor,
    targets: Tensor,
    kinds: Tensor,
    *,
    objective: Objective,
    lambda_: float,
    weights: Tensor,
) -> Tensor:
    """Weighted negative log-likelihood by segment kind `(kinds,)`, of `hidden` (B, T, H) and all else (B, T).

    The head meets those positions alone that carry a purpose, and has no gradient where λ or a share is zero.
    """
    learned = objective.learned(lambda_, weights)[kinds] & (kinds != 0)
    watched = ~learned & (kinds != 0)
    sums = _sums_at(learned, hidden, head, targets, kinds, weights)
    if watched.any():
        sums = sums + _sums_at(watched, hidden.detach(), head, targets, kinds, weights)
    return sums


def token_weights(kinds: Tensor, positions: Tensor, objective: Objective) -> Tensor:
    """What each token counts in its mean, as float64 in the shape of `kinds` (B, T): 1, or with `example` its share.

    `positions` begin at 0 with each example, side by side or end to end.
    """
    weights = torch.ones(kinds.shape, dtype=torch.float64, device=kinds.device)
    if objective.normalize != "example":
        return weights
    owners = (positions == 0).flatten().cumsum(0) - 1
    counts = torch.zeros(int(owners[-1]) + 1, len(KINDS), dtype=torch.float64, device=kinds.device)
    counts.index_put_((owners, kinds.flatten()), weights.flatten(), accumulate=True)
    for part in (objective.response, objective.consequence):
        share = objective.share(part, weights)
        within = (counts @ share)[owners].view_as(weights)
        weights = torch.where(share[kinds] > 0, 1 / within, weights)
    return weights


def segment_sums(nll: Tensor, kinds: Tensor) -> Tensor:
    """Sum of `nll` (N,) by segment kind (N,) -> (kinds,)."""
    return nll.new_zeros(len(KINDS)).index_add(0, kinds, nll)


def segment_counts(kinds: Tensor) -> Tensor:
    """How many tokens there are of each kind, of any shape -> (kinds,); context is never counted."""
    counts = torch.bincount(kinds.flatten(), minlength=len(KINDS))
    counts[KINDS.index(SegmentKind.CONTEXT)] = 0
    return counts


def dual_loss(sums: Tensor, counts: Tensor, objective: Objective, *, lambda_: float) -> DualLoss:
    """Divide one micro-batch's sums by the whole step's counts; over micro-batches this adds up to the step's loss.

    `counts` (kinds,) are what the step's tokens weigh: with `example` the sums of `token_weights`, else their number.
    """
    counts = counts.to(sums.dtype)
    shares = objective.share(objective.response, sums), objective.share(objective.consequence, sums)
    (response, of_response), (consequence, of_consequence) = (
        ((share * sums).sum(), (share * counts).sum()) for share in shares
    )
    means = _mean(response, of_response), _mean(consequence, of_consequence)
    if objective.normalize == "token":
        total = _mean(response + lambda_ * consequence, of_response + lambda_ * of_consequence)
    else:
        total = means[0] + lambda_ * means[1]
    rehearsal = _mean(sums[_REHEARSED], counts[_REHEARSED])
    return DualLoss(total + objective.rehearsal * rehearsal if objective.rehearsal else total, *means, rehearsal)


def tile_rows(vocabulary: int, *, device: torch.device) -> int:
    """How many rows of logits exist at a time."""
    return max(1, min(_TILE_ROWS, _CPU_TILE_BYTES // (4 * vocabulary))) if device.type == "cpu" else _TILE_ROWS


def _sums_at(where: Tensor, hidden: Tensor, head: Tensor, targets: Tensor, kinds: Tensor, weights: Tensor) -> Tensor:
    nll = token_nll(hidden[where], head, targets[where])
    return segment_sums(nll * weights[where].to(nll.dtype), kinds[where])


def _mean(total: Tensor, weight: Tensor) -> Tensor:
    # A step without any such token has no such mean; its sum is zero, and so is its part of the loss.
    return total / torch.where(weight > 0, weight, torch.ones_like(weight))


class _TokenNll(torch.autograd.Function):
    """Takes the gradient while a tile's logits are at hand, so that backward neither keeps nor repeats them."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        exact = torch.promote_types(hidden.dtype, torch.float32)
        nll = torch.empty(len(hidden), dtype=exact, device=hidden.device)
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        rows = min(tile_rows(len(head), device=hidden.device), len(hidden))
        # Taken once and written over: fresh memory of this size costs more than what is computed in it.
        products = torch.empty(rows, len(head), dtype=hidden.dtype, device=hidden.device)
        widened = products if exact is hidden.dtype else torch.empty_like(products, dtype=exact)
        for start in range(0, len(hidden), rows or 1):
            tile = slice(start, start + rows)
            place = targets[tile, None]
            product, logits = products[: len(place)], widened[: len(place)]
            torch.mm(hidden[tile], head.T, out=product)
            if exact is hidden.dtype:
                logits.sub_(logits.logsumexp(-1, keepdim=True))
            else:
                # One pass, row by row; it sums in another order than the line above, which float32 keeps.
                torch.log_softmax(logits.copy_(product), -1, out=logits)
            picked = logits.gather(-1, place)
            nll[tile] = -picked.squeeze(-1)
            if gradient is not None:
                surprise = logits.exp_().scatter_add_(-1, place, torch.full_like(picked, -1.0))
                torch.mm(product.copy_(surprise), head, out=gradient[tile])
        ctx.save_for_backward(gradient)
        return nll

    @staticmethod
    def backward(ctx: Any, grad_nll: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad_nll[:, None].to(gradient.dtype), None, None
