"""The grid of a sweep: its cells, in the order in which they are worked on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tear_training.config import Pass, Ramp, TrainConfig
from tear_training.consequences import Consequences
from tear_training.sweep.settings import SweepConfig

BASE = "base"


@dataclass(frozen=True, slots=True)
class Cell:
    """One adapter to train and score, or the base alone."""

    name: str
    """Of its folder: `lambda-0.3-seed-21`, `sham-seed-20`, `base`."""
    condition: str
    """What it shares with the cells of other seeds: `lambda-0.3`, `sham`, `base`."""
    config: TrainConfig | None
    """None for the base alone."""


def conditions(sweep: SweepConfig) -> list[str]:
    """All conditions of a sweep, lambdas first."""
    return [*map(lambda_name, sweep.lambda_), *sweep.controls]


def lambda_name(factor: float) -> str:
    """The condition that has the recipe's lambda times `factor`."""
    return f"lambda-{factor:g}"


def cells(sweep: SweepConfig, recipe: TrainConfig) -> list[Cell]:
    """The base first, then seed by seed, so that a sweep that was broken off has whole comparisons."""
    found = [Cell(BASE, BASE, None)] if BASE in sweep.controls else []
    for seed in sweep.seeds:
        for factor in sweep.lambda_:
            found.append(_trained(recipe, lambda_name(factor), seed=seed, factor=factor, consequences="own"))
        for control in sweep.controls:
            if control != "base":
                factor = sweep.controls_lambda
                found.append(_trained(recipe, control, seed=seed, factor=factor, consequences=control))
    return found


def _trained(recipe: TrainConfig, condition: str, *, seed: int, factor: float, consequences: Consequences) -> Cell:
    name = f"{condition}-seed-{seed}"
    config = recipe.model_copy(
        update={
            "name": f"{recipe.name}-{name}",
            "seed": seed,
            "consequences": consequences,
            "passes": _times(recipe.passes, factor),
        }
    )
    return Cell(name, condition, config)


def _times(passes: Sequence[Pass], factor: float) -> tuple[Pass, ...]:
    return tuple(
        each.model_copy(
            update={"lambda_": Ramp(start=each.lambda_.start * factor, end=each.lambda_.end * factor)},
        )
        for each in passes
    )
