"""One situation with a harmful and a gentle answer: two rows.

A pair says which of its sides is harmful, and nothing of how heavily. The weights −1 and +1 stand for "closes" and
"opens, how far is not stated": without them the side would be lost, and only a weight below zero keeps a harmful
answer from ever being learned. The better answer of the harmful row is the gentle one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tear_training.importers.importer import Found, Origin
from tear_training.importers.tally import Tally
from tear_training.importers.texts import is_same
from tear_training.rows import Consequence

CLOSES = -1
OPENS = 1


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one situation, each with what it did. `id` is the pair's own, and its rows' beginning."""

    id: str
    situation_id: str
    said: str
    harmful: str
    harmful_consequence: str
    gentle: str
    gentle_consequence: str


def rows_of_pair(pair: Pair, origin: Origin, *, where: str, tally: Tally) -> Iterator[Found]:
    """The harmful row and the gentle one; none where both answers are one text, which would be learned and be harm."""
    if is_same(pair.harmful, pair.gentle):
        tally.skip("pairs whose two answers are the same text")
        return
    for side, answer, consequence, weight, revised in (
        ("harmful", pair.harmful, pair.harmful_consequence, CLOSES, pair.gentle),
        ("gentle", pair.gentle, pair.gentle_consequence, OPENS, None),
    ):
        row = origin.row(
            id=f"{pair.id}-{side}",
            situation_id=pair.situation_id,
            said=pair.said,
            response=answer,
            consequence=Consequence(impact=consequence, weight=weight),
            revised=revised,
        )
        yield Found(where, row)
