"""Laws of the intervals."""

from __future__ import annotations

import numpy as np
import pytest

from tear_training.evaluate.bootstrap import Array, Columns, difference, estimate


def mean(means: Columns) -> Array:
    return means["x"]


def test_the_interval_of_a_mean_is_the_textbook_one() -> None:
    column = np.random.default_rng(1).normal(3, 2, size=400)
    found = estimate({"x": column}, mean, seed=1)
    half = 1.96 * column.std() / 20
    assert found is not None
    assert found.value == pytest.approx(column.mean())
    assert (found.low, found.high) == pytest.approx((column.mean() - half, column.mean() + half), abs=0.03)


def test_a_situation_without_the_figure_is_left_out() -> None:
    found = estimate({"x": np.array([1.0, np.nan, 3.0])}, mean, seed=1)
    assert found is not None
    assert found.value == 2
    assert 1 <= found.low <= found.high <= 3


def test_a_figure_that_no_situation_has_is_none() -> None:
    assert estimate({"x": np.full(5, np.nan)}, mean, seed=1) is None


def test_the_same_seed_gives_the_same_interval() -> None:
    columns = {"x": np.arange(30.0)}
    assert estimate(columns, mean, seed=4) == estimate(columns, mean, seed=4)
    assert estimate(columns, mean, seed=4) != estimate(columns, mean, seed=5)


def test_a_difference_is_paired_by_situation() -> None:
    """Each situation is better by exactly one: no resample can say otherwise, however the situations differ."""
    column = np.random.default_rng(2).normal(0, 50, size=40)
    found = difference({"x": column + 1}, {"x": column}, mean, seed=1)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((1, 1, 1))


def test_other_situations_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="3 situations cannot be paired with 4"):
        difference({"x": np.zeros(3)}, {"x": np.zeros(4)}, mean, seed=1)
