"""The report of a sweep as a document: the one thing that terminal, JSON, page and plots show."""

from __future__ import annotations

from collections.abc import Mapping

from tear_chain.artifact import Card
from tear_training.evaluate.report import Example
from tear_training.sweep.settings import SweepConfig
from tear_training.sweep.verdicts import Value, Verdict


class Machine(Card):
    """What a sweep ran on; wall times mean nothing without it."""

    processor: str
    cores: int
    memory_gb: float
    system: str


class CellResult(Card):
    """One cell of the grid."""

    name: str
    condition: str
    seed: int | None
    adapter: str | None
    """Its content address."""
    seconds: float | None
    """Steps and evaluation; None where it is not done."""
    figures: Mapping[str, Value]


class SeedFigure(Card):
    """A figure of a condition, over its seeds."""

    name: str
    title: str
    value: float
    low: float
    high: float
    chance: float | None
    by_seed: tuple[float | None, ...]
    """The figure of each run by itself."""


class Calibration(Card):
    """What was foreseen of answers of one gold weight."""

    gold: int
    foreseen: Value
    """The mean weight."""


class ConditionResult(Card):
    """One condition over its seeds."""

    name: str
    seeds: tuple[int, ...]
    """Those that are done; none for the base alone."""
    figures: tuple[SeedFigure, ...]
    calibration: tuple[Calibration, ...]
    weights: Mapping[int, int]
    """How often each weight was foreseen; empty where evaluations do not say."""
    unread: int
    """Answers whose witness told no weight."""

    def figure(self, name: str) -> SeedFigure | None:
        """The figure of that name."""
        return next((figure for figure in self.figures if figure.name == name), None)


class Comparison(Card):
    """How much higher a figure is in one condition than in another."""

    figure: str
    title: str
    condition: str
    against: str
    value: float
    low: float
    high: float
    seeds: int
    """How many both have, or the one has where the other is the base alone."""


class DrawnExample(Card):
    """What one cell made of an answer that the evaluation's seed drew."""

    condition: str
    seed: int | None
    example: Example


class SweepReport(Card):
    """Everything that a sweep found."""

    command: str
    date: str
    recipe: str
    base: str
    base_fingerprint: str
    machine: Machine
    versions: Mapping[str, str]
    sweep: SweepConfig
    situations: str
    """Which ones, and how many of them have cells that training never showed."""
    seed: int
    """Of the resamples."""
    resamples: int
    cells: tuple[CellResult, ...]
    missing: tuple[str, ...]
    """Cells that are not done."""
    conditions: tuple[ConditionResult, ...]
    gold: Mapping[int, int]
    """How often each weight is the gold one among the answers that were asked about; empty where nothing says."""
    comparisons: tuple[Comparison, ...]
    verdicts: tuple[Verdict, ...]
    main: str | None
    """The condition that plots set beside the controls: lambda 1, or the largest lambda."""
    examples: tuple[DrawnExample, ...]
    """The same few answers in several conditions, drawn by the evaluation's seed, not picked."""

    def condition(self, name: str) -> ConditionResult | None:
        """The condition of that name."""
        return next((condition for condition in self.conditions if condition.name == name), None)

    @property
    def titles(self) -> Mapping[str, str]:
        """What the figures are called."""
        return {figure.name: figure.title for condition in self.conditions for figure in condition.figures}

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Which conditions are compared with which."""
        return list(dict.fromkeys((each.condition, each.against) for each in self.comparisons))

    def comparison(self, figure: str, condition: str, against: str) -> Comparison | None:
        """That comparison, where both sides have been measured."""
        asked = (figure, condition, against)
        return next((each for each in self.comparisons if (each.figure, each.condition, each.against) == asked), None)
