"""Hand-computed cases of figures over seeds, and laws of their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from tear_training.evaluate import bootstrap
from tear_training.evaluate.bootstrap import Array, Columns
from tear_training.sweep.pairing import difference, estimate

NAN = float("nan")


def mean(means: Columns) -> Array:
    return means["x"]


def square(means: Columns) -> Array:
    return means["x"] ** 2


def stack(*seeds: list[float]) -> dict[str, Array]:
    return {"x": np.array(seeds)}


def test_seeds_are_averaged_within_a_situation_before_situations_are() -> None:
    found = estimate(stack([1, 0, NAN], [0, NAN, NAN]), mean, seed=1)
    assert found is not None
    # (1 + 0) / 2 in the first, 0 in the second, nothing in the third.
    assert found.value == 0.25


def test_a_figure_is_taken_of_averages_and_not_averaged() -> None:
    found = estimate(stack([1, 1], [0, 0]), square, seed=1)
    assert found is not None
    assert found.value == 0.25


def test_a_figure_that_no_situation_has_is_none() -> None:
    assert estimate(stack([NAN, NAN]), mean, seed=1) is None


def test_of_one_seed_it_is_the_plain_bootstrap_over_situations() -> None:
    values = list(np.random.default_rng(3).random(20))
    assert estimate(stack(values), mean, seed=1) == bootstrap.estimate({"x": np.array(values)}, mean, seed=1)


def test_seeds_that_disagree_widen_the_interval() -> None:
    agreed, split = (estimate(stack([low] * 50, [high] * 50), mean, seed=1) for low, high in ((0.5, 0.5), (0.0, 1.0)))
    assert agreed is not None
    assert split is not None
    assert agreed.value == split.value == 0.5
    assert (agreed.low, agreed.high) == (0.5, 0.5)
    assert (split.low, split.high) == (0.0, 1.0)


def test_what_moves_both_sides_alike_does_not_widen_a_difference() -> None:
    values = np.random.default_rng(3).random((4, 30))
    found = difference({"x": values + 0.2}, {"x": values}, mean, seed=1)
    assert found is not None
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.2, 0.2))


def test_a_difference_by_hand() -> None:
    # Situations: (1 + 0) / 2 and 1, against 0 and 1/2.
    found = difference(stack([1, 1], [0, 1]), stack([0, 0], [0, 1]), mean, seed=1)
    assert found is not None
    assert found.value == 0.75 - 0.25


def test_several_seeds_pair_with_a_base_that_has_none() -> None:
    found = difference(stack([1, 1], [1, 0]), stack([0, 1]), mean, seed=1)
    assert found is not None
    assert found.value == 0.75 - 0.5


def test_other_situations_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="2 situations cannot be paired with 3"):
        difference(stack([1, 1]), stack([1, 1, 1]), mean, seed=1)


def test_other_seeds_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="3 seeds cannot be paired with 2"):
        difference(stack([1], [1], [1]), stack([1], [1]), mean, seed=1)


def test_the_same_seed_draws_the_same_interval() -> None:
    values = np.random.default_rng(3).random((3, 10))
    assert estimate({"x": values}, mean, seed=1) == estimate({"x": values}, mean, seed=1)
