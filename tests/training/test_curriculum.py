"""Laws of the curriculum: from obvious to subtle, by what rows say of themselves."""

from __future__ import annotations

from random import Random
from typing import Any

from tear_training.arrange import choose_rows
from tear_training.config import Batching, Pass
from tear_training.curriculum import subtlety
from tear_training.rows import Row
from tear_training.world import World

BATCHING = Batching(rows_per_step=8, micro_rows=8)


def pass_(**changes: Any) -> Pass:
    mix = {"opening": 1, "neutral": 1, "closing": 1}
    return Pass.model_validate({"name": "p", "mix": mix, "learning_rate": 1e-3, "lambda": 0.3} | changes)


def row(difficulty: str, weight: int | None, *traits: str) -> Row:
    [first] = World(1).rows(split="train", count=1)
    scene = first.consequence.model_copy(update={"weight": weight})
    return first.model_copy(update={"difficulty": difficulty, "traits": traits, "consequence": scene})


def test_rows_rise_from_plain_to_hidden() -> None:
    rising = [
        row("obvious", 3, "soft"),
        row("obvious", -1, "blunt"),
        row("obvious", 3, "blunt"),
        row("moderate", 2),
        row("moderate", None),
        row("moderate", 1, "mixed"),
        row("subtle", -2, "blunt"),
        row("subtle", -2, "soft"),
    ]
    assert sorted(Random(1).sample(rising, len(rising)), key=subtlety) == rising


def test_a_pass_with_a_curriculum_goes_from_obvious_to_subtle_in_every_epoch() -> None:
    rows = list(World(1, table="leaning").rows(split="train", count=64))
    order = choose_rows(rows, pass_(curriculum=True, epochs=2), batching=BATCHING, seed=1)
    epoch = order[:64]
    assert sorted(epoch) == list(range(64))
    steps = [epoch[start : start + 8] for start in range(0, 64, 8)]
    hardest = [max(subtlety(rows[place]) for place in step) for step in steps]
    easiest = [min(subtlety(rows[place]) for place in step) for step in steps]
    assert all(before <= after for before, after in zip(hardest, easiest[1:], strict=False))
    assert sorted(order[64:]) == list(range(64))


def test_an_epoch_cut_short_still_reaches_the_subtle_rows() -> None:
    rows = list(World(1, table="leaning").rows(split="train", count=200))
    order = choose_rows(rows, pass_(curriculum=True, epochs=0.2), batching=BATCHING, seed=1)
    assert {rows[place].difficulty for place in order} == {"obvious", "moderate", "subtle"}


def test_among_equals_the_seed_decides() -> None:
    rows = list(World(1, table="leaning").rows(split="train", count=64))
    drawn = [choose_rows(rows, pass_(curriculum=True), batching=BATCHING, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_without_a_curriculum_the_order_is_as_it_was() -> None:
    rows = list(World(1, table="leaning").rows(split="train", count=64))
    first = choose_rows(rows, pass_(), batching=BATCHING, seed=1)[:8]
    assert len({rows[place].difficulty for place in first}) > 1
