"""The view for pipes and files: labelled lines, streamed, nothing but text.

draft: Maybe piano is not for you.
weight: -2 (expected -1.7)
decision: revise (p=0.93)
answer: A month in, your ears are ahead of your hands.
"""

from __future__ import annotations

import re
from typing import TextIO

from tear_chain.events import Completed, Event, Failed, StageCompleted, StageStarted, TextDelta, Witnessed
from tear_chain.words import Reflection, Stage
from tear_client.phrases import decision_probability, shortfall, signed
from tear_client.safetext import clean

_NEXT_LINE = re.compile(r"\n(?!\n)")


class PlainView:
    """Writes a reflection to `out` as it happens. `direct` says that the draft will be the answer."""

    def __init__(self, out: TextIO, *, direct: bool = False) -> None:
        self._out = out
        self._direct = direct
        self._label: str | None = None
        self._told: dict[str, str] = {}
        """What was written under each label."""
        self._held = ""
        """White space at the end of what came: it is written only when something follows."""

    def take(self, event: Event) -> None:
        """Write what one event adds."""
        match event:
            case TextDelta(field=None):
                self._say(self._name(event.stage), event.text)
            case TextDelta(field=field):
                self._say(str(field), event.text)
            case StageCompleted(report=report, text=text):
                if not self._told.get(name := self._name(report.stage)):
                    self._say(name, text)
                self._end_line()
            case Witnessed():
                self._witnessed(event)
            case Completed(reflection=reflection):
                self._completed(reflection)
            case StageStarted() | Failed():
                self._end_line()

    def close(self) -> None:
        """End the line that is being written."""
        self._end_line()

    def _name(self, stage: Stage) -> str:
        match stage:
            case Stage.DRAFT:
                return "answer" if self._direct else "draft"
            case Stage.WITNESS:
                return "witness"
            case Stage.REVISED:
                return "answer"

    def _witnessed(self, event: Witnessed) -> None:
        self._end_line()
        if event.scene.weight is not None:
            expected = "" if event.expected_weight is None else f" (expected {signed(event.expected_weight, 1)})"
            self._line("weight", f"{signed(event.scene.weight, 0)}{expected}")
        probability = decision_probability(event)
        self._line("decision", str(event.decision) + ("" if probability is None else f" (p={probability:.2f})"))

    def _completed(self, reflection: Reflection) -> None:
        self._end_line()
        if self._told.get("answer", "").strip() != clean(reflection.answer).strip():
            self._line("answer", reflection.answer)
        if (finding := shortfall(reflection)) is not None:
            self._line("status", finding)

    def _line(self, label: str, text: str) -> None:
        self._say(label, text)
        self._end_line()

    def _say(self, label: str, text: str) -> None:
        """Write text under its label; lines after the first are indented, so that no text can pose as a label."""
        if label != self._label:
            self._end_line()
        text = self._held + text
        body = text.rstrip()
        self._held = text[len(body) :]
        shown = clean(body)
        if self._label is None:
            shown = shown.lstrip()
        if not shown:
            return
        if self._label is None:
            self._label = label
            self._told[label] = ""
            self._out.write(f"{label}: ")
        self._told[label] += shown
        self._out.write(_NEXT_LINE.sub("\n  ", shown))
        self._out.flush()

    def _end_line(self) -> None:
        self._held = ""
        if self._label is not None:
            self._label = None
            self._out.write("\n")
            self._out.flush()
