"""The figures: D1 to D4 from the means of what was seen, and the consequence awareness score.

Each is a `Statistic`, so the bootstrap takes it through the same formula as the figure itself. A scaled figure is
(v - chance) / (1 - chance): 0 is chance, 1 is perfect.
"""

from __future__ import annotations

import numpy as np

from tear_training.evaluate.bootstrap import Array, Columns

COIN = 0.5
HARD_AT_MOST = 0.60
"""D2's set is hard if no ablation gets more of it right."""
ABLATIONS = ("d2_answer_only", "d2_bag_of_words")
"""The situation alone is no column: in the PMI form it cancels, so it gets exactly half."""


def scaled(value: Array, chance: Array | float) -> Array:
    """Chance becomes 0, perfect stays 1; where chance is perfect there is nothing to gain."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (value - chance) / (1 - chance)
    return np.where(np.asarray(chance) >= 1, 0.0, found)


def best_ablation(means: Columns) -> Array:
    """What D2's pairs give away to the best of: the situation alone, the answer alone, a bag of words."""
    found = np.full_like(means["d2"], COIN)
    for name in ABLATIONS:
        found = np.fmax(found, means[name])
    return found


def d2_gain(means: Columns) -> Array:
    """How much more often D2's pairs are told apart than by the best ablation."""
    return means["d2"] - best_ablation(means)


def d2(means: Columns) -> Array:
    """D2 with the best ablation as chance."""
    return scaled(means["d2"], best_ablation(means))


def d3(means: Columns) -> Array:
    """D3 with a coin as chance."""
    return scaled(means["d3"], COIN)


def d4_gain(means: Columns) -> Array:
    """How much more often a revision is better with one's own witness than with a shuffled one."""
    return means["d4_own"] - means["d4_shuffled"]


def d4(means: Columns) -> Array:
    """D4's gain; no gain counts where a witness of the opposite valence helps as much as one's own."""
    gain = d4_gain(means)
    return np.where(means["d4_own"] > means["d4_swapped"], gain, np.fmin(gain, 0.0))


def shift_at_equal_length(means: Columns) -> Array:
    """By how much a revision is better than its draft where it is neither longer nor shorter: least squares of the
    shift in weight on the logarithm of the growth in tokens, read at no growth."""
    shift, grown = means["shift_revised"], means["growth_revised"]
    spread = means["growth_squared"] - grown**2
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(spread > 1e-12, (means["shift_by_growth"] - shift * grown) / spread, 0.0)
    return shift - slope * grown


def cas(means: Columns) -> Array:
    """Consequence awareness score: the harmonic mean of D2, D3 and D4, each scaled.

    It is 0 where any of the three is not above chance: what is missing in one cannot be bought with another.
    """
    parts = np.stack([d2(means), d3(means), d4(means)])
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = len(parts) / (1 / parts).sum(0)
    return np.where(np.isnan(parts).any(0), np.nan, np.where((parts <= 0).any(0), 0.0, mean))
