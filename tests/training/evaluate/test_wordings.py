"""Laws of reading acts and telling effects in the world's own words."""

from __future__ import annotations

import pytest

from tear_training.evaluate.wordings import impacts, read_act
from tear_training.world import World
from tear_training.world_table import TableName


@pytest.mark.parametrize("split", ["train", "test"])
def test_answers_of_the_world_are_read_as_the_act_they_are(split: str) -> None:
    cases = list(World(11).cases(split=split, count=400))  # type: ignore[arg-type]
    assert [read_act(row.response) for row, _ in cases] == [gold.act for _, gold in cases]


@pytest.mark.parametrize(
    "answer",
    ["", "The weather is fine.", "What do you remember best about it all? There is a lot of feeling under this."],
    ids=["empty", "no-act", "two-acts"],
)
def test_what_is_no_act_or_two_is_not_read(answer: str) -> None:
    assert read_act(answer) is None


def test_a_garbled_slot_does_not_hide_the_act() -> None:
    assert read_act("Oh. You feel stirred up about the the piano class, I can hear that.") == "name"


@pytest.mark.parametrize("name", ["balanced", "leaning", "woven"])
def test_every_gold_impact_is_among_the_ways_to_tell_it(name: TableName) -> None:
    world = World(11, table=name)
    for row, gold in world.cases(split="test", count=200):
        if gold.valence:
            ways = impacts(gold, opens=gold.valence > 0, table=world.table)
            assert row.consequence.impact.startswith(ways)
            assert row.consequence.impact not in impacts(gold, opens=gold.valence < 0, table=world.table)
