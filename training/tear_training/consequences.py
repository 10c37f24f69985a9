"""What a run is told of consequences: each row its own, another row's, or nothing. The latter two are controls."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Literal, assert_never

from tear_chain.manifest import DataSource
from tear_training.rows import Row

Consequences = Literal["own", "sham", "none"]
SAID = {"sham": "scenes of other answers (sham)", "none": "scenes left out"}
"""How the controls are told to whoever reads a manifest or a model card."""


def sham_rows(rows: Sequence[Row], *, seed: int) -> list[Row]:
    """The rows in their order, each with the scene and weight of another row of its valence.

    Valence, and so the decision, stays true; what happened no longer belongs to the answer. No row keeps its own scene
    unless it is the only one of its valence.
    """
    rng = Random(f"{seed}/sham")  # noqa: S311 - not for secrets
    by_valence: dict[int | None, list[int]] = {}
    for place, row in enumerate(rows):
        by_valence.setdefault(_valence(row), []).append(place)
    told = list(rows)
    for places in by_valence.values():
        # One round through all of them: a plain shuffle would leave some scenes where they were.
        rng.shuffle(places)
        for place, source in zip(places, places[1:] + places[:1], strict=True):
            told[place] = rows[place].model_copy(update={"consequence": rows[source].consequence})
    return told


def label(records: Sequence[DataSource], consequences: Consequences) -> list[DataSource]:
    """The records of what is learned from; where the rows are not told as they were read, their names say so."""
    match consequences:
        case "own":
            return list(records)
        case "sham" | "none":
            said = SAID[consequences]
            return [record.model_copy(update={"name": f"{record.name}, {said}"}) for record in records]
        case _:
            assert_never(consequences)


def _valence(row: Row) -> int | None:
    weight = row.consequence.weight
    return None if weight is None else (weight > 0) - (weight < 0)
