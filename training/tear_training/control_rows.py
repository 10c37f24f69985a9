"""Embedding rows of control tokens: which a base has never trained, and what they are set to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

DISTINCT_SHARE = 0.5
"""How much of its own direction a row gets, beside one part of its describing words."""
_SEED = 20
_MARGIN = 1.25
_FEWEST_FILLERS = 8


@dataclass(frozen=True, slots=True)
class Untrained:
    """The cloud of rows that nothing has ever trained; unnamed filler tokens lie in it for certain.

    Training pushes all of them the same way, so they stay as near to each other as they were at the start, far
    from rows that have been used. Under a tied head that common way is "never say this": a row that shall be
    said must keep out of the cloud.
    """

    centre: Tensor
    radius: float

    @classmethod
    def find(cls, *, fillers: Tensor, ordinary: Tensor) -> Untrained | None:
        """The cloud of `fillers` (N, H), or None if it cannot be told from `ordinary` rows (M, H) of frequent tokens.

        None means too few fillers, or a checkpoint of random weights, where nothing lies outside.
        """
        if len(fillers) < _FEWEST_FILLERS:
            return None
        centre = fillers.mean(0)
        radius = _MARGIN * torch.linalg.norm(fillers - centre, dim=1).quantile(0.95).item()
        cloud = cls(centre, radius)
        is_apart = torch.linalg.norm(ordinary - centre, dim=1).quantile(0.9).item() > _MARGIN * radius
        return cloud if is_apart else None

    def holds(self, rows: Tensor) -> Tensor:
        """Which of `rows` (N, H) lie in the cloud: (N,) of booleans."""
        inside: Tensor = torch.linalg.norm(rows - self.centre, dim=1) <= self.radius
        return inside


def described_rows(descriptions: Sequence[Tensor], *, norm: float, seed: int = _SEED) -> Tensor:
    """One row per description: the mean of its words' rows `(words, H)`, made distinct and scaled to `norm`.

    The distinct parts are orthogonal to each other, so that tokens described alike can still be told apart by
    a head whose rows are frozen. A description without words leaves only that part.
    """
    width = descriptions[0].shape[-1]
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(width, len(descriptions), generator=generator, dtype=torch.float64)
    own = torch.linalg.qr(noise).Q.T if len(descriptions) <= width else normalize(noise.T)
    means = torch.stack([words.double().mean(0) if len(words) else own.new_zeros(width) for words in descriptions])
    return (normalize(normalize(means) + DISTINCT_SHARE * own) * norm).float()
