"""Reads what the model wrote in the witness stage, token by token, tolerating what it leaves out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from tear_chain.tokens import ChainTokens
from tear_chain.words import Decision, Field, Problem, Scene

_ORDER = {field: place for place, field in enumerate(Field)}
_MISSING = {
    Field.WHO: Problem.MISSING_WHO,
    Field.IMPACT: Problem.MISSING_IMPACT,
    Field.RIPPLES: Problem.MISSING_RIPPLES,
}


class Decoder(Protocol):
    """Token ids to text, incrementally."""

    def feed(self, token: int) -> str:
        """The text that `token` completes."""


@dataclass(frozen=True, slots=True)
class SceneText:
    """New text of one scene field."""

    field: Field
    text: str


class WitnessParser:
    """Feed it the stage's tokens; it hands back text as it comes and holds the scene, decision and problems.

        <who> text <impact> text <ripples> text <weight> <w-2> <revise>

    A repeated or late field, and text where none belongs, is left out and reported. `problems` is final after
    `finish`.
    """

    def __init__(
        self, tokens: ChainTokens, *, control_ids: Collection[int], new_decoder: Callable[[], Decoder]
    ) -> None:
        self._fields = {token: field for field, token in tokens.fields.items()}
        self._weights = {token: weight for weight, token in tokens.weights.items()}
        self._decisions = {token: decision for decision, token in tokens.decisions.items()}
        self._control_ids = control_ids
        self._new_decoder = new_decoder
        self._decoder = new_decoder()
        self._texts: dict[Field, list[str]] = {}
        self._reached = -1
        self._field: Field | None = None
        self.weight: int | None = None
        self.decision: Decision | None = None
        self.problems: list[Problem] = []

    def feed(self, token: int) -> SceneText | None:
        """Take one token; return the text that it adds to the scene, if any."""
        if (field := self._fields.get(token)) is not None:
            self._enter(field)
        elif (weight := self._weights.get(token)) is not None:
            if self._field is Field.WEIGHT and self.weight is None:
                self.weight = weight
            else:
                self._report(Problem.OUT_OF_ORDER)
        elif (decision := self._decisions.get(token)) is not None:
            self.decision = decision
        elif token in self._control_ids:
            self._report(Problem.STRAY_TOKEN)
        elif self._field in _MISSING:
            text = self._decoder.feed(token)
            self._texts[self._field].append(text)
            return SceneText(self._field, text) if text else None
        else:
            self._report(Problem.OUT_OF_ORDER)
        return None

    def finish(self, *, cut: bool) -> Scene:
        """Close the stage; `cut` says that a token limit ended it."""
        texts = {field: "".join(parts) for field, parts in self._texts.items()}
        told = {field: text for field, text in texts.items() if text.strip()}
        scene = Scene(
            who=told.get(Field.WHO),
            impact=told.get(Field.IMPACT),
            ripples=told.get(Field.RIPPLES),
            weight=self.weight,
        )
        for field, problem in _MISSING.items():
            if field not in told:
                self._report(problem)
        if scene.weight is None:
            self._report(Problem.MISSING_WEIGHT)
        if self.decision is None:
            self._report(Problem.CUT_WITNESS if cut else Problem.MISSING_DECISION)
        return scene

    def _enter(self, field: Field) -> None:
        if _ORDER[field] <= self._reached:
            self._field = None
            self._report(Problem.OUT_OF_ORDER)
            return
        self._reached = _ORDER[field]
        self._field = field
        if field in _MISSING:
            self._texts[field] = []
            self._decoder = self._new_decoder()

    def _report(self, problem: Problem) -> None:
        if problem not in self.problems:
            self.problems.append(problem)
