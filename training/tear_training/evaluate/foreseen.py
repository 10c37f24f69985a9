"""What the model foresees of every answer it is asked about, held against the gold: sign, size and order of weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tear_chain.tokenizer import ChainTokenizer
from tear_training.evaluate.bootstrap import Columns
from tear_training.evaluate.correlation import rank_moments
from tear_training.evaluate.items import Siblings
from tear_training.evaluate.runs import Witnessed, witness
from tear_training.evaluate.writer import Writer

ANSWERS = ("opening_1", "opening_2", "closing_1", "closing_2")
"""The four of a situation, in the order of `Siblings.all`."""


def foresee(
    writer: Writer, siblings: Sequence[Siblings], tokenizer: ChainTokenizer
) -> list[tuple[Witnessed, Witnessed, Witnessed, Witnessed]]:
    """What the model itself witnesses of the four answers to each situation, in the order of `Siblings.all`."""
    told = [answer.told for each in siblings for answer in each.all]
    runs = iter(witness(writer, [one.prompt for one in told], [one.draft for one in told], tokenizer))
    return list(zip(runs, runs, runs, runs, strict=True))


def against_gold(siblings: Sequence[Siblings], foreseen: Sequence[Sequence[Witnessed]]) -> Columns:
    """Columns by situation: `foreseen_opening_1` and so on, the weight that the model's own scene told of that answer,
    NaN where the witness is malformed; beside it `gold_opening_1` and so on.

    `weight_sign` is the share of answers that left a trace whose sign it told (0.5 for a weight of 0), `weight_error`
    the mean distance in steps, both over the answers that were read; `weight_n` and so on are moments for Spearman's
    rho over all of them.
    """
    gold = np.array([[answer.gold.weight for answer in each.all] for each in siblings], dtype=np.float64)
    told = np.array([[_weight(run) for run in runs] for runs in foreseen])
    right = np.where(gold == 0, np.nan, (1 + np.sign(told) * np.sign(gold)) / 2)
    return {
        **{f"foreseen_{name}": told[:, place] for place, name in enumerate(ANSWERS)},
        **{f"gold_{name}": gold[:, place] for place, name in enumerate(ANSWERS)},
        "weight_sign": _mean(right),
        "weight_error": _mean(np.abs(told - gold)),
        **rank_moments(
            "weight",
            told.ravel(),
            gold.ravel(),
            groups=np.repeat(np.arange(len(siblings)), len(ANSWERS)),
            count=len(siblings),
        ),
    }


def _weight(run: Witnessed) -> float:
    return float(run.scene.weight) if run.is_well_formed and run.scene.weight is not None else np.nan


def _mean(
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Each row's mean over what is not NaN; NaN where nothing is left."""
    has = ~np.isnan(values)
    count = has.sum(1)
    return np.where(count > 0, np.where(has, values, 0.0).sum(1) / np.maximum(count, 1), np.nan)
