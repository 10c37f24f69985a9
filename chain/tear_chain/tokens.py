"""The chain's control tokens, by name; their ids are looked up in a base's tokenizer, never written in code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tear_chain.words import WEIGHTS, Decision, Field

DRAFT = "<draft>"
WITNESS = "<witness>"
FIELD_NAMES: Mapping[Field, str] = {field: f"<{field}>" for field in Field}
WEIGHT_NAMES: Mapping[int, str] = {weight: f"<w{weight:+d}>" for weight in WEIGHTS}
DECISION_NAMES: Mapping[Decision, str] = {decision: f"<{decision}>" for decision in Decision}

TOKEN_NAMES: tuple[str, ...] = (
    DRAFT,
    WITNESS,
    *FIELD_NAMES.values(),
    *WEIGHT_NAMES.values(),
    *DECISION_NAMES.values(),
)
"""All control tokens of the chain, in the order in which a prepared base claims slots for them."""

DESCRIPTIONS: Mapping[str, str] = {
    DRAFT: " first answer",
    WITNESS: " what happened then",
    "<who>": " the person",
    "<impact>": " felt",
    "<ripples>": " later, after that",
    "<weight>": " how heavy",
    "<w-3>": " broken for years",
    "<w-2>": " deeply hurt",
    "<w-1>": " a little hurt",
    "<w+0>": " nothing changed",
    "<w+1>": " a little lighter",
    "<w+2>": " deeply glad",
    "<w+3>": " healed for years",
    "<keep>": " yes, so be it",
    "<revise>": " no, say it again",
}
"""A few describing words per token: a prepared base starts each row from the mean of theirs."""


@dataclass(frozen=True, slots=True)
class ChainTokens:
    """The ids of the chain's control tokens in one base."""

    draft: int
    witness: int
    fields: Mapping[Field, int]
    weights: Mapping[int, int]
    decisions: Mapping[Decision, int]
    end: int
    """`</s>`"""

    @property
    def scene(self) -> frozenset[int]:
        """What structures a scene: its fields' markers and the weights."""
        return frozenset((*self.fields.values(), *self.weights.values()))

    @property
    def all(self) -> frozenset[int]:
        """Every control token of the chain, and `</s>`."""
        return self.scene | {self.draft, self.witness, *self.decisions.values(), self.end}

    @classmethod
    def look_up(cls, find: Callable[[str], int]) -> ChainTokens:
        """Ask `find(name) -> id` for every token; whatever it raises passes through."""
        return cls(
            draft=find(DRAFT),
            witness=find(WITNESS),
            fields={field: find(name) for field, name in FIELD_NAMES.items()},
            weights={weight: find(name) for weight, name in WEIGHT_NAMES.items()},
            decisions={decision: find(name) for decision, name in DECISION_NAMES.items()},
            end=find("</s>"),
        )
