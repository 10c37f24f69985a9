"""Paired vignettes: one input with a harmful and a gentle answer, as a JSON array or JSONL.

Columns `id`, `input`, `response_harmful`, `consequence_harmful`, `response_gentle`, `consequence_gentle`, and
sometimes `category`, for which a row has no place. Every vignette becomes two rows, weighed as `pairs.py` says: −1 and
+1 carry the side alone. Who wrote the vignettes and under which licence is not in the file, so both are `unstated`;
the source is the file's name.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ConfigDict

from tear_training.importers.importer import Found, Importer, Origin
from tear_training.importers.pairs import Pair, rows_of_pair
from tear_training.importers.reading import Foreign, read_entries
from tear_training.importers.tally import Tally
from tear_training.importers.texts import Key, Said, digest
from tear_training.rows import UNSTATED


class Vignette(Foreign):
    """One situation, answered twice."""

    model_config = ConfigDict(extra="forbid")

    id: Key | int
    input: Said
    response_harmful: Said
    consequence_harmful: Said
    response_gentle: Said
    consequence_gentle: Said
    category: str | None = None


def read_vignettes(tally: Tally) -> Iterator[Found]:
    """Two rows for each vignette."""
    origin = Origin(source=tally.path.name, license=UNSTATED, kind="unstated")
    for placed in read_entries(Vignette, tally):
        told, situation = placed.entry, digest(placed.entry.input)
        pair = Pair(
            # Files of vignettes are all numbered from one: the input's digest tells them apart.
            id=f"vignette-{situation}-{told.id}",
            situation_id=f"vignette-{situation}",
            said=told.input,
            harmful=told.response_harmful,
            harmful_consequence=told.consequence_harmful,
            gentle=told.response_gentle,
            gentle_consequence=told.consequence_gentle,
        )
        yield from rows_of_pair(pair, origin, where=placed.where, tally=tally)


VIGNETTES = Importer("Pairs of a harmful and a gentle answer (JSON or JSONL).", UNSTATED, read_vignettes)
