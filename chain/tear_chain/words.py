"""The words of the product as types: stage, field, scene, decision, reflection."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

WEIGHTS = (-3, -2, -1, 0, 1, 2, 3)
"""Every weight a scene can have: below zero it closes a person, above zero it opens them."""


class Stage(StrEnum):
    """One engine request of the chain."""

    DRAFT = "draft"
    WITNESS = "witness"
    REVISED = "revised"


class Field(StrEnum):
    """A part of the consequence scene, in the order in which it is told."""

    WHO = "who"
    IMPACT = "impact"
    RIPPLES = "ripples"
    WEIGHT = "weight"


class Decision(StrEnum):
    """What becomes of the draft once its consequence was seen."""

    KEEP = "keep"
    REVISE = "revise"


class Problem(StrEnum):
    """What was wrong with a chain that was answered all the same."""

    EMPTY_DRAFT = "empty_draft"
    MISSING_WHO = "missing_who"
    MISSING_IMPACT = "missing_impact"
    MISSING_RIPPLES = "missing_ripples"
    MISSING_WEIGHT = "missing_weight"
    MISSING_DECISION = "missing_decision"
    EMPTY_REVISION = "empty_revision"
    OUT_OF_ORDER = "out_of_order"
    """A field came twice, or after one that follows it; its text was left out."""
    STRAY_TOKEN = "stray_token"  # noqa: S105 - not a secret
    """A control token stood where none belongs; it was left out."""
    CUT_DRAFT = "cut_draft"
    CUT_WITNESS = "cut_witness"
    CUT_REVISION = "cut_revision"
    LATE_DRAFT = "late_draft"
    LATE_WITNESS = "late_witness"
    LATE_REVISION = "late_revision"
    BROKEN_FORMAT = "broken_format"
    """A format was asked for, no limit cut the answer, and yet it is not whole in that format."""


CUTS = frozenset(
    {
        *(Problem.CUT_DRAFT, Problem.CUT_WITNESS, Problem.CUT_REVISION),
        *(Problem.LATE_DRAFT, Problem.LATE_WITNESS, Problem.LATE_REVISION),
    }
)
"""The problems that say a token limit or a deadline ended a stage."""


class Status(StrEnum):
    """How a reflection went."""

    COMPLETE = "complete"
    MALFORMED = "malformed"
    """The model left the chain's form; `problems` says where, and the answer is the stated fallback."""
    TRUNCATED = "truncated"
    """A token limit or a deadline cut a stage."""
    BYPASSED = "bypassed"
    """No reflection was asked for."""


class Outcome(StrEnum):
    """How a reflection ended, as metrics count it."""

    KEPT = "kept"
    REVISED = "revised"
    FORMATTED = "formatted"
    """The decision was to keep; the answer was written anew for the format that was asked for."""
    WITNESSED = "witnessed"
    """Only the consequence was asked for."""
    BYPASSED = "bypassed"
    TRUNCATED = "truncated"
    MALFORMED = "malformed"
    CANCELLED = "cancelled"
    """The client went away; nothing more was generated."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Scene:
    """The consequence of an answer, as foreseen by a model or told by data. Parts may be missing."""

    who: str | None = None
    impact: str | None = None
    ripples: str | None = None
    weight: int | None = None

    def __post_init__(self) -> None:
        if self.weight is not None and self.weight not in WEIGHTS:
            raise ValueError(f"weight is {self.weight}, expected one of {WEIGHTS}")


@dataclass(frozen=True, slots=True)
class StageReport:
    """What one stage took: the arithmetic behind usage and metrics."""

    stage: Stage
    tokens: int
    """Tokens that the model generated in this stage, control tokens included."""
    prompt_tokens: int
    cached_tokens: int
    """How many of `prompt_tokens` the engine held already: in its prefix cache, or from writing them itself."""
    first_token_seconds: float | None
    """From asking the engine to its first token; None when it generated nothing."""
    seconds: float
    """From asking the engine to its last token, or until it was late."""
    finish: str
    """`stop`, `length`, `deadline`, or `supplied` for a draft that the caller brought."""


@dataclass(frozen=True, slots=True)
class Reflection:
    """One run of the chain."""

    id: str
    model: str
    adapter: str | None
    status: Status
    outcome: Outcome
    problems: tuple[Problem, ...]
    draft: str
    witness: Scene | None
    """None when the chain was bypassed or ended before the witness."""
    expected_weight: float | None
    """Mean of the weight under the model's own distribution."""
    decision: Decision | None
    revise_probability: float | None
    """P(revise) against P(keep) at the decision, from the model."""
    answer: str
    answer_cut: bool
    """Whether the answer is not whole: a token limit or a deadline cut it, or it broke the format asked for."""
    stages: tuple[StageReport, ...]
    answer_stage: Stage | None = None
    """The stage whose text is the answer: the draft or the revision. None in what an earlier version wrote."""
