"""The figures by hand: D2, D3, D4 and the score."""

from __future__ import annotations

import numpy as np
import pytest

from tear_training.evaluate import figures
from tear_training.evaluate.bootstrap import Columns

SEEN = {
    "d2": 0.8,
    "d2_answer_only": 0.55,
    "d2_bag_of_words": 0.6,
    "d3": 0.9,
    "d4_own": 0.9,
    "d4_shuffled": 0.5,
    "d4_swapped": 0.2,
}


def means(**changes: float) -> Columns:
    return {name: np.array([value]) for name, value in (SEEN | changes).items()}


def test_d2_is_measured_from_the_best_ablation() -> None:
    assert figures.d2_gain(means())[0] == pytest.approx(0.2)
    assert figures.d2(means())[0] == pytest.approx(0.2 / 0.4)


def test_the_situation_alone_gets_half_of_d2_so_no_ablation_counts_for_less() -> None:
    assert figures.d2(means(d2_answer_only=0.3, d2_bag_of_words=0.4))[0] == pytest.approx(0.3 / 0.5)


def test_d2_has_nothing_to_gain_where_an_ablation_is_perfect() -> None:
    assert figures.d2(means(d2=1.0, d2_bag_of_words=1.0))[0] == 0


def test_d3_is_measured_from_a_coin() -> None:
    assert figures.d3(means())[0] == pytest.approx(0.8)


def test_d4_is_own_less_shuffled() -> None:
    assert figures.d4(means())[0] == pytest.approx(0.4)


@pytest.mark.parametrize(("shuffled", "expected"), [(0.5, 0.0), (0.95, -0.05)], ids=["no-gain", "a-loss-stays"])
def test_d4_counts_no_gain_where_a_swapped_witness_helps_as_much(shuffled: float, expected: float) -> None:
    assert figures.d4(means(d4_shuffled=shuffled, d4_swapped=0.9))[0] == pytest.approx(expected)


def test_the_score_is_the_harmonic_mean() -> None:
    assert figures.cas(means())[0] == pytest.approx(3 / (1 / 0.5 + 1 / 0.8 + 1 / 0.4))


@pytest.mark.parametrize("spoilt", [{"d2": 0.6}, {"d3": 0.4}, {"d4_own": 0.5}], ids=["d2", "d3", "d4"])
def test_the_score_is_zero_where_one_part_is_not_above_chance(spoilt: dict[str, float]) -> None:
    assert figures.cas(means(**spoilt))[0] == 0


def test_a_perfect_subject_scores_one() -> None:
    perfect = means(d2=1, d2_answer_only=0.5, d2_bag_of_words=0.5, d3=1, d4_own=1, d4_shuffled=0, d4_swapped=0)
    assert figures.cas(perfect)[0] == pytest.approx(1)


def test_the_shift_at_equal_length_leaves_out_what_length_explains() -> None:
    """Weights rise by 1 + 2 x growth: at no growth by 1, although by 2 on the average."""
    grown = np.array([0.0, 0.5, 1.0])
    shift = 1 + 2 * grown
    columns = {
        "shift_revised": shift,
        "growth_revised": grown,
        "growth_squared": grown**2,
        "shift_by_growth": shift * grown,
    }
    found = figures.shift_at_equal_length({name: values.mean(keepdims=True) for name, values in columns.items()})
    assert found[0] == pytest.approx(1)
