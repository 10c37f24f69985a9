"""Real outcomes: does the weight that a model foresees go with what people said an answer did to them?

The rows are those of ESConv and FailedESConv, whose seekers gave stars to what a supporter had said and told how strong
their distress was before and after; the user brings the files. The model reads the dialogue and the answer, writes its
own witness, and its expected weight stands against the stars: Spearman's rho, over resamples of whole conversations,
for the turns of one conversation are not witnesses of one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tear_chain.errors import DataError
from tear_chain.format import witness_prompt
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import WEIGHTS, Field
from tear_training.evaluate.bootstrap import Array, Columns
from tear_training.evaluate.correlation import rank_moments, rho, rho_columns
from tear_training.evaluate.items import tell
from tear_training.evaluate.report import Measure
from tear_training.evaluate.runs import WITNESS_LIMIT, witness
from tear_training.evaluate.scorer import Likelihood, Question
from tear_training.evaluate.writer import Writer
from tear_training.importers import FORMATS
from tear_training.importers.tally import Tally
from tear_training.rows import Row, RowsError

_REVISION = 96
"""Room that the chain needs beside conversation, answer and witness."""


def read_outcomes(path: Path, format_name: str) -> list[Row]:
    """The rows of a foreign file, as its importer reads them; `DataError` lists what is at fault."""
    tally = Tally(path)
    rows = [found.row for found in FORMATS[format_name].read(tally)]
    if tally.faults:
        raise DataError(str(RowsError(tally.faults)))
    if not rows:
        raise DataError(f"{path} holds no rows of the format {format_name}.")
    return rows


def expected_weights(
    writer: Writer, likelihood: Likelihood, rows: Sequence[Row], tokenizer: ChainTokenizer, *, context: int
) -> Array:
    """The mean of the weight under the model's own distribution, after a witness that it wrote itself: (rows,).

    NaN where no weight was come to, or where the conversation does not fit into `context`.
    """
    told = [tell(row, tokenizer) for row in rows]
    fits = [place for place, each in enumerate(told) if len(each.asked) + WITNESS_LIMIT + _REVISION <= context]
    seen = witness(writer, [told[place].prompt for place in fits], [told[place].draft for place in fits], tokenizer)
    marker = tokenizer.chain.fields[Field.WEIGHT]
    weights = tuple((tokenizer.chain.weights[weight],) for weight in WEIGHTS)
    asked, places = [], []
    for place, run in zip(fits, seen, strict=True):
        if marker in run.witness:
            before = run.witness[: run.witness.index(marker) + 1]
            asked.append(Question(witness_prompt(tokenizer.chain, run.prompt, run.draft) + before, weights))
            places.append(place)
    found = np.full(len(rows), np.nan)
    for place, scores in zip(places, likelihood.score(asked), strict=True):
        found[place] = expected(scores)
    return found


def expected(scores: Sequence[float]) -> float:
    """The mean weight, where `scores` are the log-probabilities of the weights from -3 to 3, known up to a constant.

    >>> round(expected([float("-inf")] * 5 + [0.0, 0.0]), 3)
    2.5
    """
    shares = np.exp(np.array(scores) - max(scores))
    return float(shares @ np.array(WEIGHTS) / shares.sum())


def against_outcomes(rows: Sequence[Row], weights: Array, lengths: Array) -> Columns:
    """Columns over conversations, from each row's foreseen weight and, to compare, its answer's length in tokens.

    `rho_stars` and so on are in `MEASURES`. Stars belong to a turn. The relief (distress before less distress after)
    belongs to a conversation, and the mean weight of its rated turns stands against it.
    """
    stars = np.array([_stars(row) for row in rows])
    families = list(dict.fromkeys(row.family for row in rows))
    of_row = np.array([families.index(row.family) for row in rows])
    relief = np.array([_relief(next(row for row in rows if row.family == family)) for family in families])
    mean_weight = np.array([_mean(weights[of_row == place]) for place in range(len(families))])
    whole = np.arange(len(families))
    return {
        **rank_moments("stars", weights, stars, groups=of_row, count=len(families)),
        **rank_moments(
            "length", lengths, np.where(np.isnan(weights), np.nan, stars), groups=of_row, count=len(families)
        ),
        **rank_moments("relief", mean_weight, relief, groups=whole, count=len(families)),
        "weight_read": np.array([np.mean(~np.isnan(weights[of_row == place])) for place in range(len(families))]),
    }


def _stars(row: Row) -> float:
    return np.nan if row.outcome is None or row.outcome.feedback is None else float(row.outcome.feedback)


def _relief(row: Row) -> float:
    told = row.outcome
    if told is None or told.intensity_before is None or told.intensity_after is None:
        return np.nan
    return told.intensity_before - told.intensity_after


def _mean(values: Array) -> float:
    told = values[~np.isnan(values)]
    return float(told.mean()) if len(told) else np.nan


MEASURES: tuple[Measure, ...] = (
    Measure(
        "rho_stars", "Spearman's rho, weight and stars", rho_columns("stars"), 0.0, lambda means: rho(means, "stars")
    ),
    Measure(
        "rho_length",
        "The same of the answer's length alone",
        rho_columns("length"),
        0.0,
        lambda means: rho(means, "length"),
    ),
    Measure(
        "rho_relief",
        "Spearman's rho, weight and relief",
        rho_columns("relief"),
        0.0,
        lambda means: rho(means, "relief"),
    ),
    Measure("weight_read", "Answers whose weight could be read", ("weight_read",)),
)
