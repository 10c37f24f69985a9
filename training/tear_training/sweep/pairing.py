"""Figures over several seeds, and their differences: a paired bootstrap over situations and seeds.

Within a situation the outcomes of all seeds are averaged, and figures are taken of those averages: the score of a
condition is that of its mean outcomes, not the mean of its runs' scores. A resample draws situations, and seeds too;
both sides of a difference are drawn alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from tear_training.evaluate.bootstrap import RESAMPLES, Array, Columns, Estimate, Statistic

Stacks = Mapping[str, NDArray[np.float64]]
"""What was seen, by name: (seeds, situations) each, NaN where a situation has no such thing."""

_INTERVAL = (2.5, 97.5)


def estimate(stacks: Stacks, statistic: Statistic, *, seed: int, resamples: int = RESAMPLES) -> Estimate | None:
    """The figure with its 95 % interval; None where no situation has it."""
    seeds, situations = _shape(stacks)

    def figure(drawn: Array, of_seeds: Array) -> Array:
        return statistic(_means(stacks, drawn, of_seeds))

    return _estimate(figure, seeds, situations, seed=seed, resamples=resamples)


def difference(
    stacks: Stacks, other: Stacks, statistic: Statistic, *, seed: int, resamples: int = RESAMPLES
) -> Estimate | None:
    """How much higher the figure is in `stacks` than in `other`: the same situations, and the same seeds in the same
    order, or a single one that has no pair."""
    (seeds, situations), (others, paired) = _shape(stacks), _shape(other)
    if situations != paired:
        raise ValueError(f"{situations} situations cannot be paired with {paired}.")
    if others not in (seeds, 1):
        raise ValueError(f"{seeds} seeds cannot be paired with {others}.")

    def gap(drawn: Array, of_seeds: Array) -> Array:
        of_others = of_seeds if others == seeds else np.ones((len(of_seeds), 1))
        return statistic(_means(stacks, drawn, of_seeds)) - statistic(_means(other, drawn, of_others))

    return _estimate(gap, seeds, situations, seed=seed, resamples=resamples)


def _estimate(
    figure: Callable[[Array, Array], Array], seeds: int, situations: int, *, seed: int, resamples: int
) -> Estimate | None:
    value = float(figure(np.ones((1, situations)), np.ones((1, seeds)))[0])
    if np.isnan(value):
        return None
    rng = np.random.default_rng(seed)
    drawn, of_seeds = _draw(rng, situations, resamples), _draw(rng, seeds, resamples)
    found = figure(drawn, of_seeds)
    # A resample may happen to draw no situation that has the figure.
    found = found[~np.isnan(found)]
    low, high = np.percentile(found, _INTERVAL) if len(found) else (value, value)
    return Estimate(value, float(low), float(high))


def _draw(rng: np.random.Generator, count: int, resamples: int) -> Array:
    return rng.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64)


def _means(stacks: Stacks, situations: Array, seeds: Array) -> Columns:
    """Means of all columns, with situations (resamples, N) and seeds (resamples, S) counted so many times each."""
    found = {}
    for name, stack in stacks.items():
        has = ~np.isnan(stack)
        with np.errstate(invalid="ignore", divide="ignore"):
            counted = seeds @ has.astype(np.float64)
            within = np.where(counted > 0, seeds @ np.where(has, stack, 0.0) / counted, 0.0)
            found[name] = (situations * within).sum(1) / (situations * (counted > 0)).sum(1)
    return found


def _shape(stacks: Stacks) -> tuple[int, int]:
    (shape,) = {stack.shape for stack in stacks.values()}
    seeds, situations = shape
    return seeds, situations
