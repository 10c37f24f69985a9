"""What the finished cells of a condition saw, over all of its seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tear_chain.artifact import read_card
from tear_chain.errors import DataError
from tear_training.evaluate.cost import TEXT_MEASURES
from tear_training.evaluate.report import MEASURES, EvalReport, Measure, SuiteName, columns_of
from tear_training.sweep.folders import EVALUATION_FILE, CellFolder
from tear_training.sweep.pairing import Stacks

Mask = NDArray[np.bool_]
HELD_OUT = "_held_out"
"""What a figure's name ends with where it is taken on held-out cells alone."""


@dataclass(frozen=True, slots=True)
class Run:
    """A finished cell."""

    folder: CellFolder
    report: EvalReport

    @property
    def seed(self) -> int | None:
        """The seed that it was trained with; None for the base alone."""
        config = self.folder.cell.config
        return None if config is None else config.seed


@dataclass(frozen=True, slots=True)
class Reading:
    """How a figure is read off evaluations: which suite, which situations of it, by which formula."""

    name: str
    title: str
    suite: SuiteName
    measure: Measure
    mask: Mask | None = None
    """The situations that count; all of them where there is none."""


@dataclass(frozen=True, slots=True)
class Condition:
    """All finished cells of one condition, by rising seed."""

    name: str
    runs: tuple[Run, ...]

    def stacks(self, reading: Reading, *, seeds: Sequence[int] | None = None) -> Stacks | None:
        """The columns of a figure, of all runs or of those with `seeds`; None where a run does not have them all."""
        runs = [run for run in self.runs if seeds is None or run.seed is None or run.seed in seeds]
        found: list[Mapping[str, NDArray[np.float64]]] = []
        for run in runs:
            suite = run.report.suite(reading.suite)
            columns = {} if suite is None else columns_of(suite)
            if not set(reading.measure.columns) <= columns.keys():
                return None
            found.append({name: columns[name] for name in reading.measure.columns})
        if not found:
            return None
        taken = slice(None) if reading.mask is None else reading.mask
        return {name: np.stack([each[name] for each in found])[:, taken] for name in reading.measure.columns}


def read_conditions(folders: Sequence[CellFolder]) -> list[Condition]:
    """The conditions of which at least one cell is done, in the order of the grid; `DataError` if they cannot be
    compared."""
    runs: dict[str, list[Run]] = {}
    sources: dict[str, str] = {}
    for each in folders:
        if not each.is_done:
            continue
        report = read_card(each.path / EVALUATION_FILE, EvalReport, DataError)
        for suite in report.suites:
            if sources.setdefault(suite.suite, suite.source) != suite.source:
                raise DataError(f"{each.path} was scored on other situations than the cells before: {suite.source}.")
        runs.setdefault(each.cell.condition, []).append(Run(each, report))
    return [Condition(name, tuple(sorted(found, key=lambda run: run.seed or 0))) for name, found in runs.items()]


def readings(held_out: Mask) -> list[Reading]:
    """Every figure that is told: those of an evaluation's world and text, and D2 on the cells that are held out."""
    found = [Reading(each.name, each.title, "world", each) for each in MEASURES]
    by_name = {each.name: each for each in MEASURES}
    if held_out.any():
        found += [
            Reading(name + HELD_OUT, f"{by_name[name].title}, cells held out", "world", by_name[name], held_out)
            for name in ("d2", "d2_gain")
        ]
    return found + [Reading(each.name, each.title, "text", each) for each in TEXT_MEASURES]
