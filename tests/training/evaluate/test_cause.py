"""D4 by hand, and the chain's own behaviour."""

from __future__ import annotations

import math

import numpy as np
import pytest
from seers import Heeder, Parrot

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Decision, Field
from tear_training.evaluate.behaviour import growth, opens, own_drafts, supplied_drafts
from tear_training.evaluate.cause import better, causes, trials
from tear_training.evaluate.items import Siblings, shifted
from tear_training.evaluate.runs import first_halves, witness
from tear_training.world_table import TABLES

TABLE = TABLES["balanced"]


@pytest.fixture
def heeder(siblings: list[Siblings], words_of: ChainTokenizer) -> Heeder:
    return Heeder(siblings, words_of, table=TABLE)


@pytest.fixture
def parrot(siblings: list[Siblings], words_of: ChainTokenizer) -> Parrot:
    """Writes one scene, decides to keep, and says one thing, whatever it was told."""
    told, keep = siblings[0].opening[0].told, words_of.chain.decisions[Decision.KEEP]
    return Parrot(words_of, witness=(*told.scene, keep), answer="There is a lot of feeling under this.")


@pytest.mark.parametrize(
    ("weight", "draft", "expected"),
    [(2, -1, 1.0), (-2, -1, 0.0), (-1, -1, 0.5), (None, -1, 0.5)],
    ids=["better", "worse", "the-same", "unread"],
)
def test_a_revision_is_better_if_its_act_weighs_more(weight: int | None, draft: int, expected: float) -> None:
    assert better(weight, draft) == expected


def test_a_witness_that_is_heeded_gains_by_hand(
    siblings: list[Siblings], words_of: ChainTokenizer, heeder: Heeder
) -> None:
    """Better after its own witness, the draft again after any other: 1 less 0.5, in every situation."""
    tried = trials(heeder, siblings, words_of)
    found = causes(heeder, tried, words_of, table=TABLE, situations=len(siblings))
    means = {name: np.nanmean(values) for name, values in found.items()}
    others = dict.fromkeys(("d4_shuffled", "d4_empty", "d4_swapped", "d4_same_person"), 0.5)
    assert means == {"d4_own": 1, **others, "d4_read": 1}


def test_a_witness_that_nobody_heeds_gains_nothing(
    siblings: list[Siblings], words_of: ChainTokenizer, parrot: Parrot
) -> None:
    tried = trials(parrot, siblings, words_of)
    found = causes(parrot, tried, words_of, table=TABLE, situations=len(siblings))
    for name in ("d4_shuffled", "d4_empty", "d4_swapped", "d4_same_person"):
        assert np.array_equal(found["d4_own"], found[name], equal_nan=True), name


def test_only_situations_with_a_wounding_and_an_opening_answer_are_tried(
    siblings: list[Siblings], words_of: ChainTokenizer, heeder: Heeder
) -> None:
    tried = trials(heeder, siblings, words_of)
    assert all(trial.wounding.gold.weight < 0 < trial.kind.gold.weight for trial in tried)
    assert len({trial.place for trial in tried}) == len(tried) > len(siblings) / 2


def test_no_trial_gets_its_own_witness_back_when_they_are_shuffled(
    siblings: list[Siblings], words_of: ChainTokenizer, heeder: Heeder
) -> None:
    tried = trials(heeder, siblings, words_of)
    others = shifted(tried)
    assert sorted(trial.place for trial in others) == sorted(trial.place for trial in tried)
    assert all(one.place != other.place for one, other in zip(tried, others, strict=True))


def test_supplied_drafts_are_revised_kept_and_weighed_by_the_gold(
    siblings: list[Siblings], words_of: ChainTokenizer, heeder: Heeder
) -> None:
    tried = trials(heeder, siblings, words_of)
    found = supplied_drafts(heeder, tried, words_of, table=TABLE, situations=len(siblings))
    for name in ("revised_wounding", "kept_kind", "well_formed_supplied"):
        assert np.nanmean(found[name]) == 1, name
    for trial in tried:
        gold = trial.wounding.gold
        best = TABLE.weight_of(gold.need, TABLE.acts(gold.need, range(2, 3))[0], gold.fragility)
        assert found["shift_supplied"][trial.place] == best - gold.weight


def test_own_drafts_are_judged_by_the_act_that_they_are(
    siblings: list[Siblings], words_of: ChainTokenizer, parrot: Parrot
) -> None:
    found = own_drafts(parrot, siblings, words_of, table=TABLE)
    expected = [
        opens(TABLE.weight_of(gold.need, "name", gold.fragility)) for gold in (s.opening[0].gold for s in siblings)
    ]
    assert list(found["draft_opens"]) == list(found["answer_opens"]) == expected
    assert set(found["revised_own"]) == set(found["shift_own"]) == {0}


def test_a_scene_that_breaks_off_is_not_well_formed(siblings: list[Siblings], words_of: ChainTokenizer) -> None:
    told = siblings[0].opening[0].told
    broken = Parrot(words_of, witness=(*told.scene[:-1], words_of.chain.end), answer="Oh.")
    (run,) = witness(broken, [told.prompt], [told.draft], words_of)
    assert run.decision is None
    assert not run.is_well_formed
    assert run.witness == told.scene[:-1]


def test_a_first_half_goes_up_to_what_came_later_and_is_whole_even_if_it_breaks_off(
    siblings: list[Siblings], words_of: ChainTokenizer, parrot: Parrot
) -> None:
    chain, told = words_of.chain, siblings[0].opening[0].told
    ripples, impact = chain.fields[Field.RIPPLES], chain.fields[Field.IMPACT]
    assert first_halves(parrot, [told.asked], words_of) == [told.scene[: told.scene.index(ripples) + 1]]
    mute = Parrot(words_of, witness=(chain.end,), answer="Oh.")
    assert first_halves(mute, [told.asked], words_of) == [(impact, ripples)]


def test_growth_is_the_logarithm_of_the_ratio() -> None:
    assert growth((1, 2), (1, 2, 3, 4)) == pytest.approx(math.log(2))
    assert [opens(weight) for weight in (-2, 0, 3)] == [0, 0.5, 1]
