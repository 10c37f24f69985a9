"""What TRL's contestants weigh a token by: labels are all that TRL hands to a loss."""

from __future__ import annotations

import torch
from torch import Tensor

from tear_chain.tokens import ChainTokens
from tear_chain.words import Decision


def part_weights(labels: Tensor, chain: ChainTokens, *, lambda_: float) -> Tensor:
    """λ from `<witness>` up to the decision and 1 elsewhere, in the shape of `labels` (B, T)."""
    keep, revise = (chain.decisions[decision] for decision in Decision)
    begun = (labels == chain.witness).cumsum(-1)
    ended = ((labels == keep) | (labels == revise)).cumsum(-1)
    return torch.where(begun > ended, lambda_, 1.0)
