"""What happens while the chain runs, as typed events: one event feeds stream, reply, metrics and log."""

from __future__ import annotations

from dataclasses import dataclass

from tear_chain.words import Decision, Field, Reflection, Scene, Stage, StageReport


@dataclass(frozen=True, slots=True)
class StageStarted:
    """The engine was asked for a stage."""

    stage: Stage


@dataclass(frozen=True, slots=True)
class TextDelta:
    """New text of a stage; `field` says which part of the scene, in the witness stage only."""

    stage: Stage
    field: Field | None
    text: str


@dataclass(frozen=True, slots=True)
class StageCompleted:
    """A stage ended; its report has tokens and seconds."""

    report: StageReport
    text: str
    """The draft or the revision; empty for the witness, whose scene comes with `Witnessed`."""


@dataclass(frozen=True, slots=True)
class Witnessed:
    """The scene is known, and what becomes of the draft. After `keep` the draft is the answer."""

    scene: Scene
    expected_weight: float | None
    decision: Decision
    revise_probability: float | None


@dataclass(frozen=True, slots=True)
class Completed:
    """The last event of a reflection that went well: all of it."""

    reflection: Reflection


@dataclass(frozen=True, slots=True)
class Failed:
    """The last event of a reflection that broke off."""

    code: str
    """From `errors.py`, such as `engine_error`."""
    message: str


Event = StageStarted | TextDelta | StageCompleted | Witnessed | Completed | Failed
