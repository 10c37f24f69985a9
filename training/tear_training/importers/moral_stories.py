"""Moral Stories (Emelin and others, 2021): `moral_stories_full.jsonl`, MIT.

Columns `ID`, `norm`, `situation`, `intention`, `moral_action`, `moral_consequence`, `immoral_action`,
`immoral_consequence`. Situation and intention are told together as the message, an action is the answer to it, and its
consequence the impact; each story becomes two rows, weighed as `pairs.py` says. The norm is left out: it judges, and a
row shows. Crowd workers wrote the stories, in English.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from tear_training.importers.importer import Found, Importer, Origin
from tear_training.importers.pairs import Pair, rows_of_pair
from tear_training.importers.reading import Foreign, read_entries
from tear_training.importers.tally import Tally
from tear_training.importers.texts import Key, Said, digest

_ORIGIN = Origin(source="Moral Stories", license="MIT", kind="narrative", language="en")


class Story(Foreign):
    """One situation, acted on twice."""

    id: Key = Field(alias="ID")
    situation: Said
    intention: Said
    moral_action: Said
    moral_consequence: Said
    immoral_action: Said
    immoral_consequence: Said


def read_moral_stories(tally: Tally) -> Iterator[Found]:
    """Two rows for each story."""
    for placed in read_entries(Story, tally):
        story = placed.entry
        said = f"{story.situation.strip()} {story.intention.strip()}"
        pair = Pair(
            id=f"moral-stories-{story.id}",
            situation_id=f"moral-stories-{digest(said)}",
            said=said,
            harmful=story.immoral_action,
            harmful_consequence=story.immoral_consequence,
            gentle=story.moral_action,
            gentle_consequence=story.moral_consequence,
        )
        yield from rows_of_pair(pair, _ORIGIN, where=placed.where, tally=tally)


MORAL_STORIES = Importer("Moral Stories: moral_stories_full.jsonl.", _ORIGIN.license, read_moral_stories)
