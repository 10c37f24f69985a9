"""Small sets of rows whose answers say exactly what a test needs them to say."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from random import Random

import pytest

from tear_training.rows import Row
from tear_training.splits import DataSplit, split_of

WORDS = [
    "bread",
    "oven",
    "water",
    "salt",
    "hand",
    "table",
    "door",
    "window",
    "street",
    "lamp",
    "paper",
    "coat",
    "river",
    "stone",
    "glass",
    "wood",
    "rope",
    "bell",
]

MakeRow = Callable[..., Row]
MakeSet = Callable[..., list[Row]]


def say(rng: Random, *, size: int = 12) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(size))


@pytest.fixture
def row_of() -> MakeRow:
    """A row by what matters of it; the texts that are not given are like no other row's."""
    numbers = count()

    def make(situation: str, weight: int | None = 1, **changes: object) -> Row:
        number = next(numbers)
        told: dict[str, object] = {"impact": say(Random(f"impact {number}"))}
        if weight is not None:
            told["weight"] = weight
        given: dict[str, object] = {
            "id": f"row-{number:05}",
            "situation_id": situation,
            "input": f"What now, {situation}? {say(Random(situation))}",
            "response": say(Random(f"response {number}")),
            "consequence": told,
            "component": "consequence",
            "difficulty": "moderate",
            "culture": "kenya",
            "language": "en",
            "source": "tests",
            "license": "Apache-2.0",
            "provenance": {"kind": "curated", "generator": "tests"},
        }
        if "messages" in changes:
            del given["input"]
        return Row.model_validate(given | changes)

    return make


@pytest.fixture
def set_of(row_of: MakeRow) -> MakeSet:
    """Situations with two opening and two closing answers each; `opening` and `closing` are added to their texts."""

    def make(*, families: int = 40, opening: str = "", closing: str = "") -> list[Row]:
        return [
            row_of(f"story-{family}", weight, response=f"{say(Random(f'{family} {weight}'))}{ending}")
            for family in range(families)
            for weight, ending in ((1, opening), (2, opening), (-1, closing), (-2, closing))
        ]

    return make


@pytest.fixture
def family_in() -> Callable[[DataSplit], str]:
    """Names of families, each a new one, by the split that they belong to."""
    numbers = count()

    def find(split: DataSplit) -> str:
        return next(name for number in numbers if split_of(name := f"place-{number}") == split)

    return find
