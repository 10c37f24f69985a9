"""From finished cells to the document: figures over seeds, comparisons, verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tear_training.evaluate.bootstrap import Columns, Estimate
from tear_training.evaluate.report import EvalReport, Measure, columns_of
from tear_training.sweep import pairing
from tear_training.sweep.conditions import HELD_OUT, Condition, Mask, Reading, Run, readings
from tear_training.sweep.durations import seconds_of
from tear_training.sweep.folders import CellFolder
from tear_training.sweep.grid import BASE, lambda_name
from tear_training.sweep.results import Calibration, CellResult, Comparison, ConditionResult, DrawnExample, SeedFigure
from tear_training.sweep.settings import SweepConfig
from tear_training.sweep.verdicts import Value, Verdict, judge

COMPARED = (
    "cas",
    "d2" + HELD_OUT,
    "d4_gain",
    "draft_opens",
    "answer_opens",
    "kept_kind",
    "perplexity_ratio",
)
WEIGHTS = range(-3, 4)
_FORESEEN, _GOLD = "foreseen_", "gold_"


@dataclass(frozen=True, slots=True)
class Analyst:
    """Reads conditions with one seed and one number of resamples."""

    held_out: Mask
    seed: int
    resamples: int

    @property
    def readings(self) -> list[Reading]:
        """All that is read."""
        return readings(self.held_out)

    def cell(self, folder: CellFolder, report: EvalReport | None) -> CellResult:
        """One cell, as far as it is done."""
        config = folder.cell.config
        found = () if report is None else (figure for suite in report.suites for figure in suite.figures)
        return CellResult(
            name=folder.cell.name,
            condition=folder.cell.condition,
            seed=None if config is None else config.seed,
            adapter=None if report is None else report.adapter,
            seconds=None if report is None else round(seconds_of(folder.path), 1),
            figures={each.name: value_of(Estimate(each.value, each.low, each.high)) for each in found},
        )

    def condition(self, condition: Condition) -> ConditionResult:
        """One condition over its seeds."""
        foreseen, unread = _foreseen(condition.runs)
        return ConditionResult(
            name=condition.name,
            seeds=tuple(run.seed for run in condition.runs if run.seed is not None),
            figures=tuple(self._figures(condition)),
            calibration=tuple(self._calibration(condition)),
            weights=foreseen,
            unread=unread,
        )

    def comparisons(self, conditions: Sequence[Condition], sweep: SweepConfig) -> Iterator[Comparison]:
        """Every lambda above zero against lambda 0 and every control, each on the seeds that both have."""
        by_name = {each.name: each for each in conditions}
        others = [name for name in (lambda_name(0), *sweep.controls) if name in by_name]
        asked = {each.name: each for each in self.readings}
        for name in above_zero(sweep):
            for other in others if name in by_name else ():
                for figure in COMPARED:
                    if figure in asked and (found := self._compare(asked[figure], by_name[name], by_name[other])):
                        yield found

    def _figures(self, condition: Condition) -> Iterator[SeedFigure]:
        for reading in self.readings:
            stacks = condition.stacks(reading)
            found = None if stacks is None else self._estimate(stacks, reading.measure)
            if stacks is None or found is None:
                continue
            alone = [
                reading.measure.statistic(_means_of({name: stack[place] for name, stack in stacks.items()}))
                for place in range(len(condition.runs))
            ]
            yield SeedFigure(
                name=reading.name,
                title=reading.title,
                **value_of(found).model_dump(),
                chance=reading.measure.chance,
                by_seed=tuple(None if np.isnan(value[0]) else round(float(value[0]), 6) for value in alone),
            )

    def _compare(self, reading: Reading, condition: Condition, other: Condition) -> Comparison | None:
        mine, theirs = ([run.seed for run in each.runs] for each in (condition, other))
        shared = [seed for seed in mine if seed is not None and (other.name == BASE or seed in theirs)]
        if not shared:
            return None
        stacks, others = (each.stacks(reading, seeds=shared) for each in (condition, other))
        if stacks is None or others is None:
            return None
        found = pairing.difference(stacks, others, reading.measure.statistic, seed=self.seed, resamples=self.resamples)
        if found is None:
            return None
        return Comparison(
            figure=reading.name,
            title=reading.title,
            condition=condition.name,
            against=other.name,
            **value_of(found).model_dump(),
            seeds=len(shared),
        )

    def _calibration(self, condition: Condition) -> Iterator[Calibration]:
        runs = [_weights(run.report) for run in condition.runs]
        for gold in WEIGHTS if all(len(golds) for _, golds in runs) else ():
            stack = np.stack([_mean_where(foreseen, golds == gold) for foreseen, golds in runs])
            if not np.isnan(stack).all():
                found = self._estimate({"foreseen": stack}, Measure("foreseen", "", ("foreseen",)))
                if found is not None:
                    yield Calibration(gold=gold, foreseen=value_of(found))

    def _estimate(self, stacks: pairing.Stacks, measure: Measure) -> Estimate | None:
        return pairing.estimate(stacks, measure.statistic, seed=self.seed, resamples=self.resamples)


def above_zero(sweep: SweepConfig) -> list[str]:
    """The conditions that bars are for."""
    return [lambda_name(factor) for factor in sweep.lambda_ if factor > 0]


def verdicts(
    sweep: SweepConfig, conditions: Sequence[ConditionResult], comparisons: Sequence[Comparison]
) -> tuple[Verdict, ...]:
    """Every bar for every lambda above zero that has been measured."""
    figures = {
        (each.name, figure.name): Value(value=figure.value, low=figure.low, high=figure.high)
        for each in conditions
        for figure in each.figures
    }
    differences = {
        (each.condition, each.against, each.figure): Value(value=each.value, low=each.low, high=each.high)
        for each in comparisons
    }
    done = {each.name for each in conditions}
    return tuple(judge([name for name in above_zero(sweep) if name in done], figures, differences))


def gold_weights(conditions: Sequence[Condition]) -> Mapping[int, int]:
    """How often each weight is the gold one; the same in every run."""
    for condition in conditions:
        for run in condition.runs:
            _, golds = _weights(run.report)
            if len(golds):
                return _counted(golds)
    return {}


def drawn_examples(conditions: Sequence[Condition], wanted: Sequence[str | None]) -> Iterator[DrawnExample]:
    """What evaluations drew, answer by answer, of the first seed that all `wanted` conditions share."""
    by_name = {each.name: {run.seed: run.report for run in each.runs} for each in conditions if each.name in wanted}
    shared = set[int | None].intersection(*map(set, by_name.values())) if by_name else set()
    if not shared:
        return
    seed = min(shared, key=lambda each: each or 0)
    drawn = {name: by_name[name][seed].examples for name in wanted if name in by_name}
    for place in range(min(map(len, drawn.values()))):
        for name, examples in drawn.items():
            yield DrawnExample(condition=name, seed=seed, example=examples[place])


def value_of(found: Estimate) -> Value:
    """A figure as the document tells it."""
    return Value(value=round(found.value, 6), low=round(found.low, 6), high=round(found.high, 6))


def _weights(report: EvalReport) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], ...]:
    """Foreseen and gold weights (answers, situations); empty where the evaluation does not tell them."""
    suite = report.suite("world")
    columns: Columns = {} if suite is None else columns_of(suite)
    names = [name.removeprefix(_GOLD) for name in columns if name.startswith(_GOLD)]
    names = [name for name in names if _FORESEEN + name in columns]
    if not names:
        return np.empty((0, 0)), np.empty((0, 0))
    return np.stack([columns[_FORESEEN + name] for name in names]), np.stack([columns[_GOLD + name] for name in names])


def _foreseen(runs: Sequence[Run]) -> tuple[Mapping[int, int], int]:
    found: Counter[int] = Counter()
    unread = 0
    for run in runs:
        foreseen, _ = _weights(run.report)
        found.update(_counted(foreseen))
        unread += int(np.isnan(foreseen).sum())
    return dict(sorted(found.items())), unread


def _counted(weights: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> dict[int, int]:
    return {weight: int((weights == weight).sum()) for weight in WEIGHTS} if len(weights) else {}


def _mean_where(
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], where: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Of each situation the mean of those answers that `where` names and that were read; NaN where there is none."""
    taken = where & ~np.isnan(values)
    count = taken.sum(0)
    return np.where(count > 0, np.where(taken, values, 0.0).sum(0) / np.maximum(count, 1), np.nan)


def _means_of(columns: Columns) -> Columns:
    """The means of one run, as statistics take them."""
    return {
        name: np.array([column[~np.isnan(column)].mean() if (~np.isnan(column)).any() else np.nan])
        for name, column in columns.items()
    }
