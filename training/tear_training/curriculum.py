"""How plain it is to see what an answer does: the measure by which a pass goes from obvious rows to subtle ones."""

from __future__ import annotations

from tear_training.rows import Difficulty, Row

_RANKS: dict[Difficulty, int] = {"obvious": 0, "moderate": 1, "subtle": 2}
_HEAVIEST = 3


def subtlety(row: Row) -> tuple[int, bool, int]:
    """A key that rises from obvious to subtle: difficulty, whether the sound misleads, how light the effect is.

    Difficulty comes first, because who wrote a row judged just that: whether anyone sees what the answer does, or only
    one who knows this person's need. In the curated rows weight says little about it (1.6, 1.6 and 1.5 on average), and
    the procedural world derives it from the weight. An answer without a weight counts as without effect.
    """
    return _RANKS[row.difficulty], _misleads(row), _HEAVIEST - abs(row.consequence.weight or 0)


def _misleads(row: Row) -> bool:
    """Whether the answer sounds unlike what it does: soft and closing, blunt and opening, or both at once."""
    weight = row.consequence.weight or 0
    is_soft, is_blunt = "soft" in row.traits, "blunt" in row.traits
    return "mixed" in row.traits or (is_soft and weight < 0) or (is_blunt and weight > 0)
