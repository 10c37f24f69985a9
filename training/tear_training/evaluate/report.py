"""What an evaluation found, as a document: figures with intervals, and what they were computed from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tear_chain.artifact import Card
from tear_training.evaluate import figures
from tear_training.evaluate.bootstrap import RESAMPLES, Array, Columns, Statistic, estimate
from tear_training.evaluate.correlation import rho, rho_columns

SuiteName = Literal["world", "curated", "pressure", "text", "neutral", "moods", "refusal", "outcomes", "stories"]


class Figure(Card):
    """One figure of one suite."""

    name: str
    title: str
    value: float
    low: float
    high: float
    """The 95 % interval: a bootstrap over situations."""
    situations: int
    """How many situations it rests on."""
    chance: float | None
    """What it would be without any sight, where there is such a value."""


class Part(Card):
    """The figures of some of a suite's situations."""

    name: str
    figures: tuple[Figure, ...]


class SuiteReport(Card):
    """Everything that one suite of situations told."""

    suite: SuiteName
    source: str
    """Which situations they are: table, split and seed, or the file."""
    situations: int
    figures: tuple[Figure, ...]
    parts: tuple[Part, ...]
    notes: tuple[str, ...]
    """What must be known to read the figures, null results among it."""
    outcomes: Mapping[str, tuple[float | None, ...]]
    """What was seen in each situation, in order, by name; so that runs can be compared situation by situation."""

    def figure(self, name: str) -> Figure | None:
        """The figure of that name over all situations."""
        return next((figure for figure in self.figures if figure.name == name), None)


class Example(Card):
    """One answer of the world, what the model foresaw of it, and what it answered."""

    id: str
    column: str
    """Which of the situation's answers: the column `foreseen_` with this at its end holds its weight."""
    situation: str
    draft: str
    gold: int
    """The weight by the gold table."""
    who: str | None
    impact: str | None
    ripples: str | None
    weight: int | None
    """The model's own scene; None where it left something out."""
    decision: str | None
    answer: str


class EvalReport(Card):
    """One evaluation of one adapter, or of a base alone."""

    name: str
    adapter: str | None
    """Content address of the adapter (`manifest.version`); None for the base alone."""
    base: str
    base_fingerprint: str
    code_version: str
    seed: int
    resamples: int
    suites: tuple[SuiteReport, ...]
    examples: tuple[Example, ...] = ()
    """Drawn by the seed, not picked."""
    scores: int
    """Continuations whose likelihood was taken."""
    scores_per_second: float
    seconds: float
    """The whole evaluation, on whatever ran beside it."""

    def suite(self, name: SuiteName) -> SuiteReport | None:
        """The suite of that name."""
        return next((suite for suite in self.suites if suite.suite == name), None)


@dataclass(frozen=True, slots=True)
class Measure:
    """How a figure is made of columns."""

    name: str
    title: str
    columns: tuple[str, ...]
    chance: float | None = None
    of: Statistic | None = None
    """Not given, it is the mean of its one column."""

    @property
    def statistic(self) -> Statistic:
        """The formula."""
        return self.of or (lambda means: means[self.columns[0]])


_D2 = ("d2", *figures.ABLATIONS)
_D4 = ("d4_own", "d4_shuffled", "d4_swapped")

MEASURES: tuple[Measure, ...] = (
    Measure("cas", "Consequence awareness score", (*_D2, "d3", *_D4), 0.0, figures.cas),
    Measure("d2_scaled", "D2, scaled", _D2, 0.0, figures.d2),
    Measure("d3_scaled", "D3, scaled", ("d3",), 0.0, figures.d3),
    Measure("d4_scaled", "D4, scaled", _D4, 0.0, figures.d4),
    Measure("d1_same", "D1 pairs of one valence", ("d1_same",), 0.5),
    Measure("d1_opposite", "D1 pairs of opposite valence (a diagnosis)", ("d1_opposite",), 0.5),
    Measure("d1_words", "D1 by shared words alone", ("d1_words",), 0.5),
    Measure("d2", "D2 hard pairs told apart", ("d2",), 0.5),
    Measure("d2_answer_only", "D2 by the answer alone", ("d2_answer_only",), 0.5),
    Measure("d2_bag_of_words", "D2 by a bag of words", ("d2_bag_of_words",), 0.5),
    Measure("d2_gain", "D2 over the best of these", _D2, 0.0, figures.d2_gain),
    Measure("d3", "D3 edits that move the right way", ("d3",), 0.5),
    Measure("d4_own", "D4 revision better, own witness", ("d4_own",)),
    Measure("d4_shuffled", "D4 revision better, shuffled witness", ("d4_shuffled",)),
    Measure("d4_empty", "D4 revision better, no witness", ("d4_empty",)),
    Measure("d4_swapped", "D4 revision better, shuffled witness of the other valence", ("d4_swapped",)),
    Measure("d4_same_person", "D4 revision better, witness of a kind answer to the same person", ("d4_same_person",)),
    Measure("d4_gain", "D4 own less shuffled", _D4, 0.0, figures.d4_gain),
    Measure("d4_read", "D4 revisions whose act could be read", ("d4_read",)),
    Measure("weight_sign", "Foreseen weights of the right sign", ("weight_sign",), 0.5),
    Measure("weight_error", "Foreseen weight, mean distance from gold", ("weight_error",)),
    Measure(
        "weight_rho",
        "Spearman's rho, foreseen and gold weight",
        rho_columns("weight"),
        0.0,
        lambda means: rho(means, "weight"),
    ),
    Measure("d5", "D5 probe before the witness", ("d5",), 0.5),
    Measure("d5_control", "D5 probe on random labels", ("d5_control",), 0.5),
    Measure("d5_steered", "D5 nats that a push along the probe's direction adds", ("d5_steered",), 0.0),
    Measure("d5_random", "D5 the same along a random direction", ("d5_random",), 0.0),
    Measure("d5_shuffled", "D5 the same along that of random labels", ("d5_shuffled",), 0.0),
    Measure("d5_gap", "D5 nats between opening and closing answers", ("d5_gap",), 0.0),
    Measure("d5_flat", "D5 the same without the probe's direction", ("d5_flat",), 0.0),
    Measure("revised_wounding", "Wounding drafts revised", ("revised_wounding",)),
    Measure("kept_kind", "Kind drafts kept (no-change rate)", ("kept_kind",)),
    Measure("well_formed_supplied", "Well-formed witnesses of supplied drafts", ("well_formed_supplied",)),
    Measure("well_formed_own", "Well-formed witnesses of own drafts", ("well_formed_own",)),
    Measure("revised_own", "Own drafts revised", ("revised_own",)),
    Measure("prefers_gentle", "Gentle choice by likelihood", ("prefers_gentle",), 0.5),
    Measure("gentle_margin", "The same, in nats", ("gentle_margin",), 0.0),
    Measure("prefers_gentle_base", "Gentle choice by likelihood, the base alone", ("prefers_gentle_base",), 0.5),
    Measure("gentle_margin_base", "The base alone, in nats", ("gentle_margin_base",), 0.0),
    Measure("draft_opens", "Gentle choice of the draft: own drafts that open", ("draft_opens",)),
    Measure("answer_opens", "Gentle choice of the whole chain: answers that open", ("answer_opens",)),
    Measure("shift_supplied", "Weight, wounding draft to answer", ("shift_supplied",), 0.0),
    Measure(
        "shift_at_equal_length",
        "The same of revisions, at equal length",
        ("shift_revised", "growth_revised", "growth_squared", "shift_by_growth"),
        0.0,
        figures.shift_at_equal_length,
    ),
    Measure("shift_own", "Weight, own draft to answer", ("shift_own",), 0.0),
)
"""In the order in which they are told."""
IN_PARTS = (
    "d1_same",
    "d2",
    "d2_gain",
    "d3",
    "d4_gain",
    "weight_sign",
    "weight_rho",
    "revised_wounding",
    "kept_kind",
    "prefers_gentle",
    "prefers_gentle_base",
)
"""Told for parts of a suite as well."""


def suite_report(
    suite: SuiteName,
    columns: Columns,
    *,
    source: str,
    seed: int,
    parts: Mapping[str, NDArray[np.bool_]] | None = None,
    notes: Callable[[SuiteFigures], tuple[str, ...]] | None = None,
    resamples: int = RESAMPLES,
    measures: Sequence[Measure] = MEASURES,
) -> SuiteReport:
    """Every figure of `measures` that `columns` allow; `parts` are masks over the situations, `notes` says what stands
    out."""
    found = read_figures(columns, seed=seed, resamples=resamples, measures=measures)
    by_name = {figure.name: figure for figure in found}
    return SuiteReport(
        suite=suite,
        source=source,
        situations=len(next(iter(columns.values()))),
        figures=found,
        parts=tuple(
            Part(
                name=name,
                figures=read_figures(
                    {column: values[mask] for column, values in columns.items()},
                    seed=seed,
                    resamples=resamples,
                    only=IN_PARTS,
                ),
            )
            for name, mask in (parts or {}).items()
            if mask.any() and not mask.all()
        ),
        notes=() if notes is None else notes(by_name),
        outcomes={name: _plain(values) for name, values in columns.items()},
    )


SuiteFigures = Mapping[str, Figure]


def read_figures(
    columns: Columns,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    only: Sequence[str] | None = None,
    measures: Sequence[Measure] = MEASURES,
) -> tuple[Figure, ...]:
    """The figures of `measures` whose columns are all there and not empty."""
    found = []
    for measure in measures:
        if (only is not None and measure.name not in only) or not set(measure.columns) <= columns.keys():
            continue
        taken = {name: columns[name] for name in measure.columns}
        value = estimate(taken, measure.statistic, seed=seed, resamples=resamples)
        if value is None:
            continue
        found.append(
            Figure(
                name=measure.name,
                title=measure.title,
                value=value.value,
                low=value.low,
                high=value.high,
                situations=int(min((~np.isnan(values)).sum() for values in taken.values())),
                chance=measure.chance,
            )
        )
    return tuple(found)


def columns_of(suite: SuiteReport) -> Columns:
    """What was seen in each situation, as it was before it became a document."""
    return {
        name: np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        for name, values in suite.outcomes.items()
    }


def _plain(values: Array) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(value) else round(float(value), 6) for value in values)
