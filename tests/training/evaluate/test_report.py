"""Laws of the report, and the talker's score."""

from __future__ import annotations

import numpy as np
import pytest
from seers import Heeder, Parrot, Seer, Talker

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Decision
from tear_training.evaluate.bag_of_words import StrengthWords
from tear_training.evaluate.bootstrap import Columns
from tear_training.evaluate.cause import causes, trials
from tear_training.evaluate.direction import directions
from tear_training.evaluate.items import Siblings
from tear_training.evaluate.pairs import hard_pairs
from tear_training.evaluate.report import MEASURES, SuiteReport, columns_of, suite_report
from tear_training.evaluate.scorer import Likelihood
from tear_training.evaluate.writer import Writer
from tear_training.world import World
from tear_training.world_table import TABLES

TABLE = TABLES["balanced"]


@pytest.fixture(scope="module")
def words() -> StrengthWords:
    return StrengthWords(World(3), rows=800)


def seen_by(
    likelihood: Likelihood, writer: Writer, siblings: list[Siblings], tokenizer: ChainTokenizer, words: StrengthWords
) -> Columns:
    tried = trials(writer, siblings, tokenizer)
    return {
        **hard_pairs(likelihood, writer, siblings, tokenizer, words=words),
        **directions(likelihood, writer, siblings, tokenizer, table=TABLE),
        **causes(writer, tried, tokenizer, table=TABLE, situations=len(siblings)),
    }


def report(columns: Columns) -> SuiteReport:
    return suite_report("world", columns, source="by hand", seed=1, resamples=200)


def value(suite: SuiteReport, name: str) -> float:
    figure = suite.figure(name)
    assert figure is not None, name
    return figure.value


def test_a_talker_scores_nothing(siblings: list[Siblings], words_of: ChainTokenizer, words: StrengthWords) -> None:
    """The average sad scene, whatever the answer, and one kind sentence, whatever the witness."""
    told, revise = siblings[0].closing[0].told, words_of.chain.decisions[Decision.REVISE]
    kind = "You sound shaken, and it shows in every line."
    parrot = Parrot(words_of, witness=(*told.scene, revise), answer=kind)
    suite = report(seen_by(Talker(), parrot, siblings, words_of, words))
    assert value(suite, "d2_gain") <= 0
    assert value(suite, "d3_scaled") == value(suite, "d4_scaled") == value(suite, "cas") == 0
    score = suite.figure("cas")
    assert score is not None
    assert (score.low, score.high) == (0, 0)


def test_whoever_sees_and_heeds_scores_high(
    siblings: list[Siblings], words_of: ChainTokenizer, words: StrengthWords
) -> None:
    suite = report(seen_by(Seer(siblings), Heeder(siblings, words_of, table=TABLE), siblings, words_of, words))
    assert value(suite, "d2") == 1
    assert value(suite, "d4_gain") == 0.5
    assert value(suite, "cas") > 0.5


def test_outcomes_come_back_as_they_were() -> None:
    columns = {"d3": np.array([1.0, np.nan, 0.5]), "d1_same": np.array([0.0, 1.0, 0.25])}
    suite = SuiteReport.model_validate_json(report(columns).model_dump_json())
    for name, values in columns_of(suite).items():
        assert np.array_equal(values, columns[name], equal_nan=True)


def test_a_figure_says_how_many_situations_it_rests_on() -> None:
    suite = report({"d3": np.array([1.0, np.nan, 0.5]), "d5": np.full(3, np.nan)})
    assert [(figure.name, figure.situations) for figure in suite.figures] == [("d3_scaled", 2), ("d3", 2)]


def test_parts_are_told_where_they_divide_the_situations() -> None:
    suite = suite_report(
        "world",
        {"d3": np.array([1.0, 0.0, 1.0])},
        source="by hand",
        seed=1,
        parts={"first": np.array([True, False, False]), "all": np.ones(3, dtype=bool)},
        resamples=50,
    )
    assert [(part.name, part.figures[0].value) for part in suite.parts] == [("first", 1.0)]


def test_every_figure_has_a_name_of_its_own() -> None:
    assert len({measure.name for measure in MEASURES}) == len({measure.title for measure in MEASURES}) == len(MEASURES)
