"""The settings of a sweep: YAML, validated whole, with unknown keys refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tear_training.world import UnseenSplit
from tear_training.world_table import TableName

Control = Literal["sham", "none", "base"]
Factor = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


class Scoring(_Closed):
    """How every cell is evaluated."""

    table: TableName
    split: UnseenSplit = "test"
    """Which situations; choose a recipe by `validation`, and report `test`."""
    situations: int = Field(default=240, ge=8)
    seed: int | None = None
    """Of situations and intervals; not given, that of `tear eval`."""


class SweepConfig(_Closed):
    """One whole sweep."""

    recipe: Path
    """A training configuration; a relative path starts at this file's folder."""
    set: tuple[str, ...] = ()
    """Overrides of the recipe, `key.path=value` each, the same in all cells."""
    lambda_: tuple[Factor, ...] = Field(alias="lambda", min_length=1)
    """Each multiplies the recipe's lambda of every pass."""
    controls: tuple[Control, ...] = ()
    controls_lambda: Factor = 1.0
    """What multiplies it in `sham` and `none`."""
    seeds: tuple[int, ...] = Field(min_length=1)
    """Of training: the adapter's first weights, which rows are drawn and in which order, and the shuffle of `sham`. The
    seeds of the world's rows stay as the recipe has them."""
    evaluation: Scoring

    @model_validator(mode="after")
    def _names_nothing_twice(self) -> Self:
        for name, values in (("lambda", self.lambda_), ("controls", self.controls), ("seeds", self.seeds)):
            if len(set(values)) < len(values):
                raise ValueError(f"{name} names something twice")
        return self
