"""The world's own wordings: which act an answer is, and all the ways in which an effect may be told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from tear_training.world import Gold
from tear_training.world_table import ACTS, Act, Table
from tear_training.world_text import ABOUT, DID, GIVEN
from tear_training.world_text import ACTS as ACT_TEXTS

_ENOUGH = 0.6
"""The share of a wording's fixed letters that an answer must hold: a small model garbles what fills the slots, and
sometimes a word beside."""


def read_act(answer: str) -> Act | None:
    """The act of an answer, by the wording it is nearest to; None where none is near or two acts are equally so.

    Exact, without a model: every wording of the world is cut at its slots, and what is fixed is looked for in order.
    """
    said = _plain(answer)
    shares = {act: max(_share(said, pieces) for pieces in _pieces()[act]) for act in ACTS}
    best = max(shares.values())
    nearest = [act for act, share in shares.items() if share == best]
    return nearest[0] if best >= _ENOUGH and len(nearest) == 1 else None


def impacts(gold: Gold, *, opens: bool, table: Table) -> tuple[str, ...]:
    """All ways in which the world tells that this answer opened, or that it closed; how deep it went may follow."""
    if table.weave is None:
        act = ACT_TEXTS[gold.act]
        return tuple(template.format_map(gold.slots) for template in (act.opened if opens else act.closed))
    given = table.weave.acts[gold.act]
    told = f"{GIVEN[given.way]} {ABOUT[given.about]}. {DID[1 if opens else -1]}"
    return (told.format_map(gold.slots),)


@cache
def _pieces() -> Mapping[Act, tuple[tuple[str, ...], ...]]:
    def cut(template: str) -> tuple[str, ...]:
        # Sentences by themselves, since a slot may stand at the end of one.
        return tuple(filter(None, (_plain(piece) for piece in re.split(r"\{\w+\}|(?<=[.?!]) ", template))))

    return {act: tuple(cut(template) for template in ACT_TEXTS[act].answers) for act in ACTS}


def _share(said: str, pieces: tuple[str, ...]) -> float:
    found = place = 0
    for piece in pieces:
        if (start := said.find(piece, place)) >= 0:
            found += len(piece)
            place = start + len(piece)
    return found / sum(map(len, pieces))


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[\w']+", text.lower()))
