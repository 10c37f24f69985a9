"""What a configuration says of the run itself: when its state is written, when it is measured, who follows it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Tracker = Literal["tensorboard", "trackio", "wandb"]
"""Where a run can be followed beside its own logs."""


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Checkpoints(_Closed):
    """When the state of a run is written, so that it can be taken up again. Every pass ends with one, too."""

    every: int = Field(default=500, gt=0)
    """Steps from one to the next."""
    keep: int = Field(default=2, gt=0)
    """How many stay of a pass; the best one stays besides."""


class Evaluation(_Closed):
    """When the held-out rows are read during a pass, and what follows from it."""

    every: int | None = Field(default=None, gt=0)
    """Steps from one to the next; not given, only the finished adapter is measured."""
    keep_best: bool = False
    """Whether a pass ends with the weights whose held-out consequence loss was the lowest, instead of its last."""
    patience: int | None = Field(default=None, gt=0)
    """After so many evaluations without a lower consequence loss, the pass is over."""

    @model_validator(mode="after")
    def _is_measured(self) -> Self:
        if self.keep_best and self.every is None:
            raise ValueError("keep_best needs every: without evaluations nothing is known to be best")
        if self.patience is not None and not self.keep_best:
            raise ValueError("patience needs keep_best: the weights that it waited with are no better")
        return self
