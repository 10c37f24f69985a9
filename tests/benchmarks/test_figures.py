from __future__ import annotations

import pytest
from serving.figures import differences, median_ratio, percentile


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 5.0), (0.99, 10.0), (1.0, 10.0), (0.1, 1.0), (0.11, 2.0)], ids=str
)
def test_a_percentile_is_the_value_that_so_many_do_not_exceed(share: float, expected: float) -> None:
    assert percentile([float(value) for value in range(10, 0, -1)], share) == expected


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 0.0), ([1.0], 1.1)], ids=["none", "zero", "above"])
def test_there_is_no_percentile_of_nothing_nor_beyond_all(values: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="no percentile"):
        percentile(values, share)


def test_a_ratio_is_taken_within_its_round() -> None:
    """A machine that is ten times slower in one round changes nothing; the ratio of the medians would be 1.5."""
    ours, theirs = [1.0, 20.0, 3.0], [2.0, 40.0, 2.0]
    assert median_ratio(ours, theirs) == 0.5


def test_rounds_that_do_not_pair_are_no_ratio() -> None:
    with pytest.raises(ValueError, match="shorter"):
        median_ratio([1.0, 2.0], [1.0])


def test_a_difference_is_taken_within_its_round() -> None:
    assert differences([3.0, 5.0], [1.0, 4.0]) == [2.0, 1.0]
