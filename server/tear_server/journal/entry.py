"""What the journal holds of a reflection, and what it is told of the outcome."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from tear_chain.conversation import Conversation
from tear_chain.words import Decision, Outcome, Reflection, Scene, Status
from tear_server.reflection import ReflectionRequest


@dataclass(frozen=True, slots=True)
class Entry:
    """A reflection as the journal keeps it."""

    id: str
    created: datetime
    model: str
    adapter: str | None
    conversation: Conversation
    draft: str
    witness: Scene
    """The foreseen consequence of `draft`; empty where nothing was foreseen."""
    expected_weight: float | None
    decision: Decision | None
    revise_probability: float | None
    answer: str
    status: Status

    @property
    def predicted_weight(self) -> int | None:
        """The foreseen weight of the answer. None for a revision: what was foreseen is the draft that it replaced."""
        return self.witness.weight if self.answer == self.draft else None


@dataclass(frozen=True, slots=True)
class ReportedOutcome:
    """What a person says really came of the answer."""

    reported: datetime
    text: str
    weight: int | None


@dataclass(frozen=True, slots=True)
class StoredReflection:
    """A reflection in the journal, with its outcome once one was reported."""

    entry: Entry
    outcome: ReportedOutcome | None


@dataclass(frozen=True, slots=True)
class Reporting:
    """What a report did."""

    entry: Entry
    outcome: ReportedOutcome
    is_new: bool
    """Whether it is the first report on this reflection; otherwise it replaced one."""
    is_first_weight: bool
    """Whether no report before it had a weight."""


def to_entry(request: ReflectionRequest, reflection: Reflection, *, now: datetime) -> Entry | None:
    """What is to be kept of a reflection that ended; None where there was no answer to reflect on."""
    if request.only_witness or reflection.outcome is Outcome.BYPASSED:
        return None
    return Entry(
        id=reflection.id,
        created=now.astimezone(UTC),
        model=reflection.model,
        adapter=reflection.adapter,
        conversation=request.conversation,
        draft=reflection.draft,
        witness=reflection.witness or Scene(),
        expected_weight=reflection.expected_weight,
        decision=reflection.decision,
        revise_probability=reflection.revise_probability,
        answer=reflection.answer,
        status=reflection.status,
    )


def dump_stored(stored: StoredReflection) -> dict[str, Any]:
    """The stored reflection as the JSON object of the API."""
    entry = stored.entry
    return {
        "id": entry.id,
        "object": "reflection",
        "created": _moment(entry.created),
        "model": entry.model,
        "adapter": entry.adapter,
        "messages": [{"role": said.role.value, "content": said.text} for said in entry.conversation.messages],
        "draft": entry.draft,
        "witness": asdict(entry.witness),
        "expected_weight": entry.expected_weight,
        "decision": entry.decision,
        "revise_probability": entry.revise_probability,
        "answer": entry.answer,
        "status": entry.status,
        "outcome": None if stored.outcome is None else _dump_facts(stored.outcome),
    }


def dump_outcome(reflection_id: str, outcome: ReportedOutcome) -> dict[str, Any]:
    """The outcome of that reflection as the JSON object of the API."""
    return {"id": reflection_id, "object": "outcome", **_dump_facts(outcome)}


def _dump_facts(outcome: ReportedOutcome) -> dict[str, Any]:
    return {"reported": _moment(outcome.reported), "text": outcome.text, "weight": outcome.weight}


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
