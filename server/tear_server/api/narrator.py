"""A reflection told for people, in the two channels that chat clients know: reasoning and content.

Reasoning:  Draft: … / Who: … / Impact: … / Ripples: … / Weight: −2 (expected −1.7) / Decision: revise (0.93)
Content:    the answer alone; nothing is ever put there that could be withdrawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from tear_chain.events import Completed, Event, Failed, StageCompleted, StageStarted, TextDelta, Witnessed
from tear_chain.words import Field, Stage


@dataclass(frozen=True, slots=True)
class Telling:
    """New text in either channel."""

    reasoning: str = ""
    content: str = ""


class Narrator:
    """Feed it a reflection's events; the tellings of all of them, joined, are the plain reply."""

    def __init__(self, *, reflects: bool) -> None:
        self._reflects = reflects
        self._field: Field | None = None
        self._sent = ""
        self._held = ""

    def tell(self, event: Event) -> Telling:
        """What `event` adds."""
        match event:
            case StageStarted(stage=Stage.DRAFT):
                return Telling(reasoning="Draft: " if self._reflects else "")
            case StageCompleted(report=report, text=text):
                supplied = report.finish == "supplied"
                return Telling(reasoning=f"Draft: {text}" if supplied else "")
            case StageStarted():
                return Telling()
            case TextDelta(stage=Stage.DRAFT, text=text):
                return Telling(reasoning=text) if self._reflects else self._answer(text)
            case TextDelta(stage=Stage.REVISED, text=text):
                return self._answer(text)
            case TextDelta(field=field, text=text):
                return Telling(reasoning=self._label(field) + text)
            case Witnessed():
                return Telling(reasoning=_verdict(event))
            case Completed(reflection=reflection):
                # A kept draft comes whole, here; so does one that stands in for an empty revision.
                rest = reflection.answer[len(self._sent) :]
                self._sent = reflection.answer
                return Telling(content=rest)
            case Failed():
                return Telling()
            case _:
                assert_never(event)

    def _answer(self, text: str) -> Telling:
        # Leading white space waits for a word: a revision of white space alone is replaced by the draft.
        self._held += text
        if not self._sent and not self._held.strip():
            return Telling()
        text, self._held = self._held, ""
        self._sent += text
        return Telling(content=text)

    def _label(self, field: Field | None) -> str:
        if field is None or field is self._field:
            return ""
        self._field = field
        return f"\n{field.value.capitalize()}: "


def _verdict(event: Witnessed) -> str:
    text = ""
    if event.scene.weight is not None:
        text += f"\nWeight: {event.scene.weight:+d}"
        if event.expected_weight is not None:
            text += f" (expected {event.expected_weight:+.1f})"
    text += f"\nDecision: {event.decision.value}"
    if event.revise_probability is not None:
        text += f" (revise {event.revise_probability:.2f})"
    return text + "\n"
