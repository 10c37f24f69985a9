"""Foreseen against gold weights by hand, and the examples that are told of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr
from seers import Heeder

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Scene
from tear_training.evaluate.bootstrap import estimate
from tear_training.evaluate.correlation import rho
from tear_training.evaluate.examples import examples
from tear_training.evaluate.foreseen import ANSWERS, against_gold, foresee
from tear_training.evaluate.items import Siblings
from tear_training.evaluate.runs import Witnessed
from tear_training.world_table import TABLES


@pytest.fixture(scope="module")
def heeder(siblings: list[Siblings], words_of: ChainTokenizer) -> Heeder:
    return Heeder(siblings, words_of, table=TABLES["balanced"])


def weighed(each: Siblings, golds: Sequence[int]) -> Siblings:
    """The same situation with other gold weights, in the order of `all`."""
    first, second, third, fourth = (
        replace(answer, gold=replace(answer.gold, weight=gold)) for answer, gold in zip(each.all, golds, strict=True)
    )
    return Siblings((first, second), (third, fourth))


def seen(*weights: int | None) -> list[Witnessed]:
    """Witnesses that told these weights; None is a malformed one."""
    return [
        Witnessed((), (), (), None, weight is not None, Scene(who=None, impact=None, ripples=None, weight=weight))
        for weight in weights
    ]


def test_sign_and_distance_of_foreseen_weights_by_hand(siblings: list[Siblings]) -> None:
    """The first situation: right, wrong, no trace foreseen, no trace there. The second: one right, three unread."""
    golds = [weighed(siblings[0], (2, 1, -2, 0)), weighed(siblings[1], (1, 1, -1, -3))]
    found = against_gold(golds, [seen(1, -1, 0, 2), seen(None, None, None, -1)])
    assert list(found["weight_sign"]) == [pytest.approx((1 + 0 + 0.5) / 3), 1]
    assert list(found["weight_error"]) == [(1 + 2 + 2 + 2) / 4, 2]
    assert [found[f"foreseen_{name}"][0] for name in ANSWERS] == [1, -1, 0, 2]
    assert [found[f"gold_{name}"][1] for name in ANSWERS] == [1, 1, -1, -3]


def test_a_malformed_witness_foresees_nothing(siblings: list[Siblings]) -> None:
    golds = [weighed(siblings[0], (2, 1, -2, -1))]
    run = replace(seen(2)[0], is_well_formed=False)
    found = against_gold(golds, [[run, *seen(None, None, None)]])
    for name in ("foreseen_opening_1", "weight_sign", "weight_error"):
        assert np.isnan(found[name]).all(), name


def test_rho_is_spearmans_over_all_answers_that_were_read(siblings: list[Siblings]) -> None:
    golds = [weighed(siblings[0], (2, 1, -2, -1)), weighed(siblings[1], (1, 3, -1, -3))]
    found = against_gold(golds, [seen(3, 1, -1, -2), seen(2, None, 1, -3)])
    told = estimate(found, lambda means: rho(means, "weight"), seed=1, resamples=10)
    expected = spearmanr([3, 1, -1, -2, 2, 1, -3], [2, 1, -2, -1, 1, -1, -3]).statistic
    assert told is not None
    assert told.value == pytest.approx(expected)


def test_whoever_witnesses_as_the_gold_says_is_right_and_at_no_distance(
    siblings: list[Siblings], words_of: ChainTokenizer, heeder: Heeder
) -> None:
    found = against_gold(siblings, foresee(heeder, siblings, words_of))
    assert np.nanmin(found["weight_sign"]) == 1
    assert set(found["weight_error"]) == {0}


def test_examples_are_drawn_by_the_seed_alone(
    siblings: list[Siblings], words_of: ChainTokenizer, heeder: Heeder
) -> None:
    foreseen = foresee(heeder, siblings, words_of)
    blind = [[replace(run, decision=None) for run in runs] for runs in foreseen]
    one, same, other = (
        [example.id for example in examples(heeder, siblings, runs, words_of, seed=seed)]
        for runs, seed in ((foreseen, 1), (blind, 1), (foreseen, 2))
    )
    assert one == same != other
    assert len(set(one)) == 4


def test_an_example_holds_what_was_said_foreseen_and_answered(
    siblings: list[Siblings], words_of: ChainTokenizer, heeder: Heeder
) -> None:
    drawn = examples(heeder, siblings, foresee(heeder, siblings, words_of), words_of, seed=1, count=len(siblings))
    by_id = {answer.told.row.id: answer for each in siblings for answer in each.all}
    for example in drawn:
        row, gold = by_id[example.id].told.row, by_id[example.id].gold
        assert (example.situation, example.draft, example.gold) == (row.input, row.response, gold.weight)
        told = row.consequence
        assert (example.who, example.impact, example.ripples) == (told.who, told.impact, told.ripples)
        assert example.weight == gold.weight
        assert (example.decision, example.answer != row.response) == (
            ("revise", True) if gold.weight < 0 else ("keep", False)
        )
