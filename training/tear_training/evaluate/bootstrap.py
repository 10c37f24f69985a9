"""Figures with intervals: a paired bootstrap over situations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Columns = Mapping[str, Array]
"""What was seen in each situation, by name: (situations,) each, NaN where a situation has no such thing. The situations
of all columns are the same, in the same order; that is what makes comparisons paired."""
Statistic = Callable[[Columns], Array]
"""A figure from the means of columns, elementwise over resamples: {name: (resamples,)} -> (resamples,)."""

RESAMPLES = 2000
_LEVEL = 95.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


def estimate(columns: Columns, statistic: Statistic, *, seed: int, resamples: int = RESAMPLES) -> Estimate | None:
    """The figure over all situations and its percentile interval; None where no situation has it."""
    return _estimate(lambda draws: statistic(_means(columns, draws)), _count(columns), seed=seed, resamples=resamples)


def difference(
    columns: Columns, other: Columns, statistic: Statistic, *, seed: int, resamples: int = RESAMPLES
) -> Estimate | None:
    """How much higher the figure is in `columns` than in `other`, both over the same situations in the same order."""
    if (count := _count(columns)) != (others := _count(other)):
        raise ValueError(f"{count} situations cannot be paired with {others}.")

    def gap(draws: Array) -> Array:
        return statistic(_means(columns, draws)) - statistic(_means(other, draws))

    return _estimate(gap, count, seed=seed, resamples=resamples)


def _estimate(figure: Callable[[Array], Array], count: int, *, seed: int, resamples: int) -> Estimate | None:
    value = float(figure(np.ones((1, count)))[0])
    if np.isnan(value):
        return None
    rng = np.random.default_rng(seed)
    drawn = figure(rng.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64))
    # A resample may happen to draw no situation that has the figure.
    drawn = drawn[~np.isnan(drawn)]
    rest = (100 - _LEVEL) / 2
    low, high = np.percentile(drawn, [rest, 100 - rest]) if len(drawn) else (value, value)
    return Estimate(value, float(low), float(high))


def _means(columns: Columns, draws: Array) -> Columns:
    """Means of all columns, with each situation counted `draws` (resamples, situations) times."""
    found = {}
    for name, column in columns.items():
        has = ~np.isnan(column)
        with np.errstate(invalid="ignore"):
            found[name] = draws @ np.where(has, column, 0.0) / (draws @ has.astype(np.float64))
    return found


def _count(columns: Columns) -> int:
    (count,) = {len(column) for column in columns.values()}
    return count
