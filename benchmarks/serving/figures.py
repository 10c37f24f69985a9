"""Figures out of rounds: percentiles, and ratios that are taken within a round before the median is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed (nearest rank)."""
    if not values or not 0 < share <= 1:
        raise ValueError(f"no percentile {share} of {len(values)} values")
    return sorted(values)[math.ceil(share * len(values)) - 1]


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median of the rounds' ratios, ours / theirs: what slows the machine in one round slows both sides of it."""
    return statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))


def differences(longer: Sequence[float], shorter: Sequence[float]) -> list[float]:
    """Round by round, what the first takes beyond the second."""
    return [more - less for more, less in zip(longer, shorter, strict=True)]
