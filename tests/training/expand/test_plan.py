from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError

from tear_chain.errors import DataError
from tear_training.expand.plan import SQUARE, ExpandPlan, load_plan
from tear_training.expand.prompts import writer_messages

SMALL = ExpandPlan(situations=96, topics=("grief", "rent", "maps", "bread"), cultures=("japan", "ghana"))


def test_the_same_plan_asks_the_same_and_another_seed_asks_otherwise() -> None:
    assert SMALL.asks() == SMALL.model_copy().asks()
    assert SMALL.asks() != SMALL.model_copy(update={"seed": 1}).asks()


def test_what_a_seed_deals_out_is_the_same_on_every_machine() -> None:
    ask = ExpandPlan(seed=20).asks()[0]
    lines = writer_messages(ask, language="en")[1].content.splitlines()
    assert [lines[2], lines[3].split(".")[0], *lines[7:11], str(ask.seed)] == [
        "Topic: coming out.",
        "Place: indonesia",
        "1. manner soft, kind plain, opens (weight 1 to 3); about 42 words, has no question mark.",
        "2. manner blunt, kind plain, opens (weight 1 to 3); about 22 words, has no question mark.",
        "3. manner soft, kind plain, closes (weight -1 to -3); about 42 words, has no question mark.",
        "4. manner blunt, kind plain, closes (weight -1 to -3); about 22 words, has no question mark.",
        "1575391853",
    ]


def test_a_longer_plan_begins_with_the_shorter_one() -> None:
    assert SMALL.model_copy(update={"situations": 300}).asks()[:96] == SMALL.asks()


def test_every_stratum_comes_once_before_any_comes_twice() -> None:
    strata = Counter(ask.stratum for ask in SMALL.asks())
    assert len(strata) == 4 * 3 * 4 * 2
    assert set(strata.values()) == {1}


def test_components_and_difficulties_take_turns() -> None:
    first = [ask.stratum for ask in SMALL.asks()[:24]]
    assert set(Counter((stratum.component, stratum.difficulty) for stratum in first).values()) == {2}


def test_no_two_requests_share_a_seed() -> None:
    assert len({ask.seed for ask in ExpandPlan(situations=2000).asks()}) == 2000


def test_sound_is_dealt_out_evenly_to_both_sides() -> None:
    asks = ExpandPlan(situations=600).asks()
    for ask in asks:
        lengths = dict(ask.words)
        assert {lengths["soft", "opens"], lengths["blunt", "opens"]} == {
            lengths["soft", "closes"],
            lengths["blunt", "closes"],
        }
        assert len({effect for _, effect in ask.questions}) == len(ask.questions) in (0, 2)
        assert sorted(ask.order) == sorted(SQUARE)
    for cell in SQUARE:
        assert 0.33 < sum(cell in ask.questions for ask in asks) / len(asks) < 0.47
        assert 0.4 < sum(dict(ask.words)[cell] == min(dict(ask.words).values()) for ask in asks) / len(asks) < 0.6
        assert 0.18 < sum(ask.order[0] == cell for ask in asks) / len(asks) < 0.32
    assert {ask.fifth for ask in asks} == {None, "neutral", "mixed", "bad_news", "no"}


def test_a_plan_file_lays_over_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("topics: [bread]\ncultures: [finland]\nsituations: 3\n")
    assert load_plan(file) == ExpandPlan(topics=("bread",), cultures=("finland",), situations=3)


def test_all_faults_of_a_plan_come_at_once(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("topic: [bread]\ncultures: []\nsituations: 0\n")
    with pytest.raises(DataError) as caught:
        load_plan(file)
    for fault in (str(file), "topic:", "cultures:", "situations:"):
        assert fault in caught.value.message


@pytest.mark.parametrize("text", ["", "- bread", "a: [", "\x00", None], ids=["empty", "list", "torn", "nul", "absent"])
def test_a_file_that_is_no_plan_is_named(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "plan.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(DataError, match=r"plan\.yaml"):
        load_plan(file)


def test_a_name_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="cultures names japan twice"):
        ExpandPlan(cultures=("japan", "ghana", "japan"))
