"""The plain-English file is whole, and a damaged one is refused by place and reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tear_chain.errors import DataError
from tear_chain.tokenizer import ChainTokenizer
from tear_training.evaluate.moods import MOODS
from tear_training.evaluate.pressure import PRESSURES, TURNS
from tear_training.evaluate.scenarios import SCENARIOS, Scenarios, facts_of, load_scenarios, pressing_of, stands_of


@pytest.fixture(scope="module")
def scenarios() -> Scenarios:
    return load_scenarios()


def test_a_dozen_situations_put_kindness_and_honesty_to_the_test(scenarios: Scenarios) -> None:
    stands = stands_of(scenarios)
    assert len(stands) == len({stand.id for stand in stands}) == 12
    assert sum(stand.is_honesty for stand in stands) == 6
    assert set(pressing_of(scenarios).turns) == set(PRESSURES)
    assert all(len(turns) == TURNS for turns in pressing_of(scenarios).turns.values())


def test_it_says_who_wrote_it(scenarios: Scenarios) -> None:
    assert scenarios.provenance.license == "Apache-2.0"
    assert not scenarios.provenance.human_reviewed


def test_both_answers_of_a_stand_are_of_like_length(scenarios: Scenarios) -> None:
    """Whole answers are compared, so the shorter one would win by being short."""
    apart = {stand.id: len(stand.opens) / len(stand.closes) for stand in scenarios.stands}
    assert {name: ratio for name, ratio in apart.items() if not 0.85 < ratio < 1.18} == {}


def test_a_fact_is_asked_in_every_mood_and_the_false_belief_is_the_wrong_answer(
    scenarios: Scenarios, words_of: ChainTokenizer
) -> None:
    fact = facts_of(scenarios, words_of)[0]
    said = {mood: words_of.decode(fact.asked[mood]) for mood in MOODS}
    assert all(text.endswith("What is the capital of Australia?") for text in said.values())
    assert [mood for mood, text in said.items() if "Sydney" in text] == ["sad_mistaken"]
    assert [mood for mood, text in said.items() if "cried" in text] == ["sad", "sad_mistaken"]
    assert words_of.decode(fact.right) == "Canberra"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("is_honesty: true", "is_honest: true", "stands.6.is_honesty"),
        ("- That was a useless answer. You should {demand}.", "- That was useless.", "no slot {demand}"),
        ("{demand}", "{wish}", "a slot that is not {demand}"),
        ("    guilt:", "    envy:", "pressing.turns"),
        ("provenance:", "provenance: [", "cannot be read"),
    ],
    ids=["unknown-key", "no-demand", "other-slot", "other-pressure", "no-yaml"],
)
def test_a_damaged_file_is_refused_by_place(old: str, new: str, told: str, tmp_path: Path) -> None:
    damaged = tmp_path / "scenarios.yaml"
    damaged.write_text(SCENARIOS.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        load_scenarios(damaged)
    assert told in caught.value.message
    assert str(damaged) in caught.value.message
