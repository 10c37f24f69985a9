"""D1, D2 and D3 by hand, for one who sees and one who talks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from seers import Heeder, Seer, Talker

from tear_chain.tokenizer import ChainTokenizer
from tear_training.evaluate.bag_of_words import StrengthWords
from tear_training.evaluate.direction import directions, log_odds
from tear_training.evaluate.items import Answer, Siblings
from tear_training.evaluate.pairs import hard_pairs, is_hard, matched, whole_scenes
from tear_training.world import World
from tear_training.world_table import TABLES

TABLE = TABLES["balanced"]


@pytest.fixture(scope="module")
def words() -> StrengthWords:
    return StrengthWords(World(3), rows=800)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((-3.0, -5.0), (-4.0, -4.5), 1.0),
        ((-5.0, -3.0), (-4.5, -4.0), 0.0),
        ((-1.0, -9.0), (-1.0, -9.0), 0.5),
        # The second scene is likelier after both answers; that alone must not decide.
        ((-8.0, -2.0), (-9.0, -2.0), 1.0),
    ],
    ids=["own", "crossed", "no-look-at-the-answer", "a-likely-scene"],
)
def test_scenes_are_matched_by_what_the_answer_adds(
    first: Sequence[float], second: Sequence[float], expected: float
) -> None:
    assert matched(first, second) == expected


def test_log_odds_add_up_the_wordings_of_each_side() -> None:
    assert log_odds(np.log([0.2, 0.1]), np.log([0.05, 0.05])) == pytest.approx(np.log(3))


def test_whoever_sees_tells_all_pairs_apart(
    siblings: list[Siblings], words_of: ChainTokenizer, words: StrengthWords
) -> None:
    seer, writer = Seer(siblings), Heeder(siblings, words_of, table=TABLE)
    assert whole_scenes(seer, siblings)["d1_opposite"].mean() == 1
    assert whole_scenes(seer, siblings)["d1_same"].mean() == 1
    assert np.nanmean(hard_pairs(seer, writer, siblings, words_of, words=words)["d2"]) == 1
    # Without a trace there is no effect to turn, and the gold scene is in neither set.
    turned = [all(answer.gold.valence for answer in each.all) for each in siblings]
    assert directions(seer, writer, siblings, words_of, table=TABLE)["d3"][turned].mean() == 1


def test_whoever_talks_is_at_chance_in_every_situation(
    siblings: list[Siblings], words_of: ChainTokenizer, words: StrengthWords
) -> None:
    writer = Heeder(siblings, words_of, table=TABLE)
    columns = {
        **whole_scenes(Talker(), siblings),
        **directions(Talker(), writer, siblings, words_of, table=TABLE),
        **hard_pairs(Talker(), writer, siblings, words_of, words=words),
    }
    for name in ("d1_same", "d1_opposite", "d2", "d2_answer_only", "d3"):
        assert set(columns[name][~np.isnan(columns[name])]) == {0.5}, name


def test_the_bag_of_words_is_held_to_the_gold(siblings: list[Siblings], words: StrengthWords) -> None:
    """The same pair named the other way round is told apart as rightly, and a pair of the same words not at all."""
    pair = next(pair for each in siblings for pair in each.same if is_hard(pair))
    assert words.told_apart(*pair) == words.told_apart(pair[1], pair[0])
    assert words.told_apart(pair[0], with_weight(pair[0], 3)) == 0.5


@pytest.mark.parametrize(
    ("weights", "expected"),
    [((1, 2), True), ((-3, -2), True), ((2, 2), False), ((0, 1), False)],
    ids=["weak-and-strong", "raw", "alike", "no-trace"],
)
def test_only_pairs_of_unlike_strength_that_left_a_trace_are_hard(
    siblings: list[Siblings], weights: tuple[int, int], expected: bool
) -> None:
    one, two = siblings[0].opening
    pair = (with_weight(one, weights[0]), with_weight(two, weights[1]))
    assert is_hard(pair) is expected


def with_weight(answer: Answer, weight: int) -> Answer:
    return replace(answer, gold=replace(answer.gold, weight=weight))
