"""What happens while the chain runs, as typed events: one event feeds stream, reply, metrics and log."""

from __future__ import annotations

from dataclasses import dataclass

from tear_chain.words import Decision, Field, Reflection, Scene, Stage, StageReport


@dataclass(frozen=True, slots=True)
class Likely:
    """A token that might have been drawn."""

    text: str
    """A control token's name; bytes that are no text by themselves show as replacement characters."""
    piece: bytes
    """What it adds to a text; empty for a control token."""
    logprob: float
    """Natural log-probability by the raw logits: before temperature, top_p, penalties and format."""


@dataclass(frozen=True, slots=True)
class ScoredToken:
    """A token that was drawn. The pieces of a text's tokens, joined, are the text in UTF-8."""

    piece: bytes
    """Shorter than the token where a stop string begins within it."""
    logprob: float
    likeliest: tuple[Likely, ...]
    """The likeliest tokens in its place, the first most so; the drawn one may be among them."""


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
    tokens: int = 0
    """How many tokens the stage has written so far."""
    scored: tuple[ScoredToken, ...] = ()
    """The tokens whose text is thereby whole, if log-probabilities were asked for. Not on the typed stream's wire."""


@dataclass(frozen=True, slots=True)
class StageCompleted:
    """A stage ended; its report has tokens and seconds."""

    report: StageReport
    text: str
    """The draft or the revision; empty for the witness, whose scene comes with `Witnessed`."""


@dataclass(frozen=True, slots=True)
class Witnessed:
    """The scene is known, and what becomes of the draft. After `keep` it is the answer, if no format was asked for."""

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
