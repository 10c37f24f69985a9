"""A reflection told for people, in the two channels that chat clients know: reasoning and content.

Reasoning:  Draft: … / Who: … / Impact: … / Ripples: … / Weight: −2 (expected −1.7) / Decision: revise (0.93)
Content:    the answer alone; nothing is ever put there that could be withdrawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from tear_chain.events import Completed, Event, Failed, ScoredToken, StageCompleted, StageStarted, TextDelta, Witnessed
from tear_chain.words import Field, Stage
from tear_server.api.exposure import ALL, Part, Shown


@dataclass(frozen=True, slots=True)
class Telling:
    """New text in either channel."""

    reasoning: str = ""
    content: str = ""
    tokens: tuple[ScoredToken, ...] = ()
    """The content's, as far as they are whole, if log-probabilities were asked for."""


class Narrator:
    """Feed it a reflection's events; the tellings of all of them, joined, are the plain reply."""

    def __init__(self, *, reflects: bool, shown: Shown = ALL) -> None:
        self._reflects = reflects
        self._shown = shown
        self._has_reasoned = False
        self._field: Field | None = None
        self._sent = ""
        self._held = ""
        self._tokens: dict[Stage, list[ScoredToken]] = {stage: [] for stage in Stage}
        self._sent_tokens = 0

    def tell(self, event: Event) -> Telling:
        """What `event` adds."""
        match event:
            case StageStarted(stage=Stage.DRAFT):
                return self._reason("Draft: " if self._reflects else "", part=Part.DRAFT)
            case StageCompleted(report=report, text=text):
                return self._reason(f"Draft: {text}" if report.finish == "supplied" else "", part=Part.DRAFT)
            case StageStarted():
                return Telling()
            case TextDelta(stage=Stage.DRAFT, text=text, scored=tokens):
                self._tokens[Stage.DRAFT] += tokens
                return self._reason(text, part=Part.DRAFT) if self._reflects else self._answer(text, Stage.DRAFT)
            case TextDelta(stage=Stage.REVISED, text=text, scored=tokens):
                self._tokens[Stage.REVISED] += tokens
                return self._answer(text, Stage.REVISED)
            case TextDelta(field=field, text=text):
                return self._reason(self._label(field) + text, part=Part.WITNESS)
            case Witnessed():
                return self._reason(self._verdict(event), part=None)
            case Completed(reflection=reflection):
                # A kept draft comes whole, here; so does one that stands in for an empty revision.
                rest = reflection.answer[len(self._sent) :]
                self._sent = reflection.answer
                return Telling(content=rest, tokens=self._unsent(reflection.answer_stage or Stage.DRAFT))
            case Failed():
                return Telling()
            case _:
                assert_never(event)

    def _reason(self, text: str, *, part: Part | None) -> Telling:
        """Reasoning, if its part is shown; what belongs to no part is shown with any of them."""
        if not text or not self._shown or (part is not None and part not in self._shown):
            return Telling()
        if not self._has_reasoned:
            text = text.removeprefix("\n")
        self._has_reasoned = True
        return Telling(reasoning=text)

    def _answer(self, text: str, stage: Stage) -> Telling:
        # Leading white space waits for a word: a revision of white space alone is replaced by the draft.
        self._held += text
        if not self._sent and not self._held.strip():
            return Telling()
        text, self._held = self._held, ""
        self._sent += text
        return Telling(content=text, tokens=self._unsent(stage))

    def _unsent(self, stage: Stage) -> tuple[ScoredToken, ...]:
        tokens = tuple(self._tokens[stage][self._sent_tokens :])
        self._sent_tokens += len(tokens)
        return tokens

    def _label(self, field: Field | None) -> str:
        if field is None or field is self._field:
            return ""
        self._field = field
        return f"\n{field.value.capitalize()}: "

    def _verdict(self, event: Witnessed) -> str:
        text = ""
        if event.scene.weight is not None and Part.WITNESS in self._shown:
            text += f"\nWeight: {event.scene.weight:+d}"
            if event.expected_weight is not None:
                text += f" (expected {event.expected_weight:+.1f})"
        text += f"\nDecision: {event.decision.value}"
        if event.revise_probability is not None:
            text += f" (revise {event.revise_probability:.2f})"
        return text + "\n"
