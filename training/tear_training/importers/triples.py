"""Triples of the sketch: `input`, `response`, `consequence`, as a JSON array or JSONL.

They become rows as `rows.py` reads them: the prose is the impact, and what a triple does not say of itself (licence,
source, language) is `unstated`. Without a weight the answer is witnessed and not learned.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ConfigDict

from tear_training.importers.importer import Found, Importer
from tear_training.importers.reading import Foreign, read_entries
from tear_training.importers.tally import Tally
from tear_training.importers.texts import Said
from tear_training.rows import UNSTATED, Row


class Triple(Foreign):
    """One answer and what happened because of it."""

    model_config = ConfigDict(extra="forbid")

    input: Said
    response: Said
    consequence: Said


def read_triples(tally: Tally) -> Iterator[Found]:
    """One row for each triple."""
    for placed in read_entries(Triple, tally):
        yield Found(placed.where, Row.model_validate(placed.entry.model_dump()))


TRIPLES = Importer("input, response, consequence (JSON or JSONL).", UNSTATED, read_triples)
