"""Rank correlation with what people said, and Moral Stories' consequences, by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from seers import Parrot, Talker

from tear_chain.errors import DataError
from tear_chain.format import Ids
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import WEIGHTS, Field
from tear_training.evaluate.bootstrap import Columns, estimate
from tear_training.evaluate.correlation import rho
from tear_training.evaluate.outcomes import against_outcomes, expected, expected_weights, read_outcomes
from tear_training.evaluate.scorer import Question
from tear_training.evaluate.stories import consequences_told
from tear_training.rows import Consequence, Outcome, Provenance, Row

STORY = {
    "ID": "a1",
    "norm": "Help.",
    "situation": "The bag is heavy.",
    "intention": "Ana wants to go home.",
    "moral_action": "Ana carries it.",
    "moral_consequence": "The old man is glad.",
    "immoral_action": "Ana walks past.",
    "immoral_consequence": "The old man falls.",
}


def rated(stars: Sequence[int], *, families: Sequence[str], relief: Sequence[float] = ()) -> list[Row]:
    reliefs = relief or [1.0] * len(stars)
    return [
        Row(
            id=f"r{place}",
            situation_id=f"{family}/{place}",
            input="I am sad.",
            response="I hear you.",
            consequence=Consequence(impact="Thanks."),
            component="consequence",
            difficulty="moderate",
            culture="unstated",
            language="en",
            source="test",
            license="Apache-2.0",
            provenance=Provenance(kind="narrative", generator="test"),
            outcome=Outcome(feedback=star, intensity_before=5, intensity_after=5 - fell),
        )
        for place, (star, family, fell) in enumerate(zip(stars, families, reliefs, strict=True))
    ]


def rho_of(columns: Columns, name: str) -> float:
    found = estimate(columns, lambda means: rho(means, name), seed=1, resamples=20)
    assert found is not None
    return found.value


def test_rho_is_spearmans_with_ties_shared() -> None:
    """By hand: ranks 1, 2, 3, 4 against 1.5, 1.5, 3, 4 give 0.9487; scipy says the same of a longer list."""
    rows = rated([2, 2, 3, 5], families="abcd")
    columns = against_outcomes(rows, np.array([-2.0, -1.0, 0.5, 2.0]), np.ones(4))
    assert rho_of(columns, "stars") == pytest.approx(0.94868, abs=1e-5)

    rng = np.random.default_rng(2)
    stars, weights = rng.integers(1, 6, 40), rng.normal(size=40)
    many = rated([int(star) for star in stars], families=[str(place % 7) for place in range(40)])
    columns = against_outcomes(many, weights, np.ones(40))
    assert rho_of(columns, "stars") == pytest.approx(spearmanr(weights, stars).statistic)


def test_a_model_that_foresees_the_same_of_everything_has_no_correlation() -> None:
    columns = against_outcomes(rated([1, 3, 5], families="abc"), np.full(3, -0.7), np.array([3.0, 4.0, 5.0]))
    assert rho_of(columns, "stars") == 0
    assert rho_of(columns, "length") == pytest.approx(1)


def test_relief_belongs_to_conversations_and_is_held_against_the_mean_of_their_turns() -> None:
    """By hand: mean weights 0, 2 and -1 of conversations a, b and c; relief 1, 3 and 0: the same order."""
    rows = rated([3, 3, 3, 3], families="aabc", relief=[1, 1, 3, 0])
    columns = against_outcomes(rows, np.array([-2.0, 2.0, 2.0, -1.0]), np.ones(4))
    assert columns["relief_n"].tolist() == [1, 1, 1]
    assert rho_of(columns, "relief") == pytest.approx(1)


def test_what_could_not_be_read_counts_as_unread_and_not_as_neutral() -> None:
    rows = rated([1, 5, 3], families="aab")
    columns = against_outcomes(rows, np.array([-1.0, 1.0, np.nan]), np.ones(3))
    assert columns["weight_read"].tolist() == [1, 0]
    assert columns["stars_n"].tolist() == [2, 0]
    assert columns["length_n"].tolist() == [2, 0]


def test_the_expected_weight_is_the_mean_of_the_weights() -> None:
    """By hand: (0.2 x -3 + 0.6 x 2) / 0.8, known up to a constant."""
    shares = dict.fromkeys(WEIGHTS, 1e-30) | {-3: 0.2, 2: 0.6}
    assert expected(np.log([shares[weight] for weight in WEIGHTS]) - 7) == pytest.approx(0.75)


def test_the_weight_is_asked_after_the_models_own_witness(words_of: ChainTokenizer) -> None:
    chain = words_of.chain
    scene = (chain.fields[Field.IMPACT], 1000, chain.fields[Field.WEIGHT])
    asked: list[Ids] = []

    class Asked(Talker):
        def score(self, questions: Sequence[Question]) -> list[tuple[float, ...]]:
            asked.extend(question.prefix for question in questions)
            return [(-9.0,) * 5 + (-0.5, -9.0) for _ in questions]

    writer = Parrot(words_of, witness=(*scene, chain.weights[-3], chain.end), answer="No.")
    rows = rated([4], families="a")
    assert expected_weights(writer, Asked(), rows, words_of, context=4096) == pytest.approx([2.0], abs=0.01)
    assert asked[0][-len(scene) :] == scene
    silent = Parrot(words_of, witness=(chain.end,), answer="No.")
    assert np.isnan(expected_weights(silent, Asked(), rows, words_of, context=4096)).all()
    assert np.isnan(expected_weights(writer, Asked(), rows, words_of, context=300)).all()


@pytest.fixture
def stories(tmp_path: Path) -> list[Row]:
    file = tmp_path / "moral.jsonl"
    lines = [STORY, STORY | {"ID": "a2", "moral_action": "Ana takes one side.", "moral_consequence": "He smiles."}]
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return read_outcomes(file, "moral-stories")


def test_a_consequence_is_matched_by_what_its_action_adds(stories: list[Row], words_of: ChainTokenizer) -> None:
    """By hand: of the first story both own consequences gain a nat a token, of the second they lose one."""
    first = [words_of.encode(row.response) for row in stories[:2]]

    class Reader:
        def score(self, questions: Sequence[Question]) -> list[tuple[float, ...]]:
            found = []
            for place, asked in enumerate(questions):
                own, sign = place % 2, 1 if place < len(first) else -1
                found.append(
                    tuple(
                        len(text) * (-10 - side + 0.5 * sign * (1 if side == own else -1))
                        for side, text in enumerate(asked.continuations)
                    )
                )
            return found

    columns = consequences_told(Reader(), stories, words_of)
    assert columns["story_told"] == pytest.approx([1, 0])
    assert columns["story_gain"] == pytest.approx([1, -1])


def test_a_talker_matches_no_story(stories: list[Row], words_of: ChainTokenizer) -> None:
    columns = consequences_told(Talker(), stories, words_of)
    assert columns["story_told"] == pytest.approx([0.5, 0.5])
    assert columns["story_gain"] == pytest.approx([0, 0], abs=1e-9)


def test_a_story_without_its_other_side_is_left_out(stories: list[Row], words_of: ChainTokenizer) -> None:
    assert len(consequences_told(Talker(), stories[1:], words_of)["story_told"]) == 1


def test_a_file_at_fault_is_refused_with_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "moral.jsonl"
    file.write_text('{"ID": "a1"}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"moral\.jsonl:1 situation"):
        read_outcomes(file, "moral-stories")
