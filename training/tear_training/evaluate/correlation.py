"""Spearman's rho as a figure: from the moments of ranks, so that a bootstrap of means can take it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tear_training.evaluate.bootstrap import Array, Columns

_MOMENTS = ("n", "x", "y", "xx", "yy", "xy")


def rho(means: Columns, name: str) -> Array:
    """Spearman's rho from the moments of ranks, whose sums over a group are columns; 0 where one side is flat.

    Ranks are those of all rows: a resample draws groups and keeps them, which is quick and, with many rows, is
    close to ranking each resample anew.
    """
    n, x, y, xx, yy, xy = (means[column] for column in rho_columns(name))
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt((xx / n - (x / n) ** 2) * (yy / n - (y / n) ** 2))
        found = (xy / n - x * y / n**2) / spread
    return np.where(spread > 1e-12, found, np.where(np.isnan(spread), np.nan, 0.0))


def rho_columns(name: str) -> tuple[str, ...]:
    """The columns that `rank_moments` makes and `rho` reads."""
    return tuple(f"{name}_{moment}" for moment in _MOMENTS)


def rank_moments(name: str, one: Array, other: Array, *, groups: NDArray[np.int_], count: int) -> Columns:
    """Sums of the ranks and their products in each of `count` groups, over the rows (rows,) that have both."""
    both = ~np.isnan(one) & ~np.isnan(other)
    # Ranks between 0 and 1, so that their squares stay small numbers.
    x, y = (_ranks(values[both]) / max(1, both.sum()) for values in (one, other))
    values = (np.ones_like(x), x, y, x * x, y * y, x * y)
    return {
        column: np.bincount(groups[both], each, minlength=count).astype(np.float64)
        for column, each in zip(rho_columns(name), values, strict=True)
    }


def _ranks(values: Array) -> Array:
    """Places in order, from 1; whoever ties shares the mean of theirs."""
    _, place, times = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Array = (np.cumsum(times) - (times - 1) / 2)[place]
    return ranks
