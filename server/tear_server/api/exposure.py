"""What of a reflection a reply shows beside the answer."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from tear_chain.errors import InvalidRequest
from tear_chain.wire import dump_reflection
from tear_chain.words import Reflection


class Part(StrEnum):
    """A part of the chain that can be left out of a reply."""

    DRAFT = "draft"
    WITNESS = "witness"


Shown = frozenset[Part]
ALL: Shown = frozenset(Part)


def to_shown(expose: list[Part] | None, *, include_reasoning: bool) -> Shown:
    """The parts to show; raise `InvalidRequest` where the two fields contradict each other."""
    if include_reasoning:
        return ALL if expose is None else frozenset(expose)
    if expose:
        raise InvalidRequest(
            "include_reasoning is false, and reflection.expose names what to show. Leave one of them out.",
            param="reflection.expose",
        )
    return frozenset()


def dump_shown(reflection: Reflection, shown: Shown) -> dict[str, Any] | None:
    """The reflection as JSON, what is not shown null in it; None where nothing is."""
    if not shown:
        return None
    dumped = dump_reflection(reflection)
    if Part.DRAFT not in shown:
        dumped["draft"] = None
    if Part.WITNESS not in shown:
        dumped |= {"witness": None, "expected_weight": None}
    return dumped
