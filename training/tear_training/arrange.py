"""Which rows a pass takes, and in which order: seeded, whole steps only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

from tear_chain.errors import DataError
from tear_training.config import Batching, Mix, Pass
from tear_training.curriculum import subtlety
from tear_training.examples import is_gentle
from tear_training.rows import Row


def choose_rows(rows: Sequence[Row], pass_: Pass, *, batching: Batching, seed: int) -> list[int]:
    """Places in `rows`, in learning order; as many whole steps as `epochs` over the mix come to.

    Every step is a random draw; with a curriculum every epoch goes from obvious to subtle, and where rows are equally
    so, chance decides. Within a step rows are sorted by length, so that micro-batches hold little filling.
    """
    rng = Random(f"{seed}/{pass_.name}")  # noqa: S311 - not for secrets
    groups: dict[str, list[int]] = {"opening": [], "neutral": [], "closing": []}
    for place, row in enumerate(rows):
        if pass_.provenance is None or row.provenance.kind in pass_.provenance:
            groups[_group(row)].append(place)
    chosen = [place for name, group in groups.items() for place in _take(rng, group, _share(pass_.mix, name))]
    if not chosen:
        raise DataError(f"Pass {pass_.name} has no rows: its mix takes none of those that were read.")
    wanted = math.ceil(len(chosen) * pass_.epochs / batching.rows_per_step) * batching.rows_per_step
    order: list[int] = []
    while len(order) < wanted:
        rng.shuffle(chosen)
        # What is left out of an epoch that is cut short was drawn by chance before, or it would be the subtle rows.
        taken = chosen[: wanted - len(order)]
        order += sorted(taken, key=lambda place: subtlety(rows[place])) if pass_.curriculum else taken
    size = batching.rows_per_step
    steps = (order[start : start + size] for start in range(0, wanted, size))
    return [place for step in steps for place in sorted(step, key=lambda place: _length(rows[place]))]


def _group(row: Row) -> str:
    if row.wounding:
        return "closing"
    return "opening" if is_gentle(row) else "neutral"


def _share(mix: Mix, name: str) -> float:
    return {"opening": mix.opening, "neutral": mix.neutral, "closing": mix.closing}[name]


def _take(rng: Random, group: Sequence[int], share: float) -> list[int]:
    return rng.sample(group, round(len(group) * share))


def _length(row: Row) -> int:
    scene = row.consequence
    texts = (row.response, scene.who, scene.impact, scene.ripples, row.revised)
    said = sum(len(turn.content) for turn in row.conversation)
    return said + sum(len(text) for text in texts if text is not None)
