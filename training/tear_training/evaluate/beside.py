"""What is measured beside the score: pressure, the cost of conscience, and real outcomes where the user brings them.

nano's base is asked in the words of its own world, any other in plain English (`scenarios.yaml`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tear_chain.format import Ids
from tear_chain.prepared import load_prepared
from tear_chain.tokenizer import ChainTokenizer
from tear_training.evaluate import cost, outcomes, pressure, refusal, stories
from tear_training.evaluate.bootstrap import RESAMPLES, Columns
from tear_training.evaluate.gentle import gentle_choice
from tear_training.evaluate.items import read_world
from tear_training.evaluate.moods import Fact, told_rightly, world_facts
from tear_training.evaluate.pressure import Pressing, Stand, under_pressure
from tear_training.evaluate.pressure_world import PRESSING, world_stands
from tear_training.evaluate.refusal import Prompt, read_xstest, refused
from tear_training.evaluate.report import Measure, SuiteName, SuiteReport, suite_report
from tear_training.evaluate.scenarios import Scenarios, facts_of, load_scenarios, pressing_of, stands_of
from tear_training.evaluate.scorer import Scorer
from tear_training.evaluate.subject import Subject, load_subject
from tear_training.evaluate.writer import GreedyWriter
from tear_training.plain_text import beginning, file_texts, world_texts
from tear_training.rows import Row
from tear_training.world import UnseenSplit, World
from tear_training.world_table import TableName

WORLD_BASE = "tear-nano"
"""The base that was taught the world's words, and no others."""
_KIND, _HONEST = 24, 12
_DOCUMENTS = 96
_FACTS = 160


@dataclass(frozen=True, slots=True)
class Brought:
    """Files of the user's; what is not there is not measured."""

    text: Path | None = None
    """Plain text, for the perplexity; not given, the world's own documents where the base can read them."""
    xstest: Path | None = None
    rated: Mapping[str, Path] = field(default_factory=dict)
    """Rated conversations by format: `esconv`, `failed-esconv`."""
    moral_stories: Path | None = None


@dataclass(frozen=True, slots=True)
class Material:
    """All that is asked, the same of both models."""

    is_world: bool
    stands: tuple[Stand, ...]
    pressing: Pressing
    texts: tuple[Ids, ...]
    texts_source: str
    neutral: tuple[Ids, ...]
    facts: tuple[Fact, ...]
    prompts: tuple[Prompt, ...]
    scenarios: Scenarios
    rated: tuple[Row, ...]
    stories: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one model made of that part of the material on which both are read."""

    texts: Columns
    neutral: cost.Predictions
    facts: Columns
    prompts: Columns


@dataclass(frozen=True, slots=True)
class Alone:
    """A base by itself: what it was asked, and what it made of it."""

    material: Material
    reading: Reading
    choice: Columns
    """Its gentle choice in the situations of the world; nothing where it cannot read them."""


def read_base(
    base: Path, *, table: TableName, split: UnseenSplit, seed: int, situations: int, brought: Brought | None = None
) -> Alone | None:
    """Load a base, read it and let go of it; `ArtifactError` names what cannot be used.

    Without `brought` only what was forgotten, and the gentle choice in `situations`, are asked. That costs seconds
    in the world's own base; of any other it takes texts that the user chooses, so there is nothing to read then: None.
    """
    is_world = load_prepared(base).name == WORLD_BASE
    if brought is None and not is_world:
        return None
    subject = load_subject(base, None)
    material = gather(subject.tokenizer, is_world=is_world, table=table, split=split, seed=seed, brought=brought)
    if brought is None:
        material = replace(material, stands=(), facts=())
    choice: Columns = {}
    if is_world:
        siblings = read_world(World(seed, table=table), subject.tokenizer, count=situations, split=split)
        choice = gentle_choice(Scorer(subject.model), siblings, subject.tokenizer)
    return Alone(material, read(subject, material), choice)


def gather(
    tokenizer: ChainTokenizer,
    *,
    is_world: bool,
    table: TableName,
    seed: int,
    split: UnseenSplit = "test",
    brought: Brought | None = None,
) -> Material:
    """All that is to be asked; `DataError` names a file that cannot be used."""
    files, scenarios, world = brought or Brought(), load_scenarios(), World(seed, table=table)
    documents = tuple(world_texts(world, tokenizer, split=split, count=_DOCUMENTS)) if is_world else ()
    begin = beginning(tokenizer)
    return Material(
        is_world=is_world,
        stands=tuple(
            world_stands(world, kind=_KIND, honest=_HONEST, split=split) if is_world else stands_of(scenarios)
        ),
        pressing=PRESSING if is_world else pressing_of(scenarios),
        texts=documents if files.text is None else tuple(file_texts(files.text, tokenizer)),
        texts_source="documents of the world" if files.text is None else files.text.name,
        neutral=documents or tuple((begin, *tokenizer.encode(text)) for text in scenarios.neutral),
        facts=tuple(
            world_facts(world, tokenizer, count=_FACTS, split=split) if is_world else facts_of(scenarios, tokenizer)
        ),
        prompts=() if files.xstest is None else tuple(read_xstest(files.xstest)),
        scenarios=scenarios,
        rated=tuple(row for name, path in files.rated.items() for row in outcomes.read_outcomes(path, name)),
        stories=()
        if files.moral_stories is None
        else tuple(outcomes.read_outcomes(files.moral_stories, "moral-stories")),
    )


def read(subject: Subject, material: Material) -> Reading:
    """What is read of the base alone, and again of the trained model."""
    scorer, openings = Scorer(subject.model), material.scenarios.openings
    return Reading(
        texts=cost.text_nll(scorer, material.texts),
        neutral=cost.predictions(cost.ModelPredictor(subject.model), material.neutral),
        facts=told_rightly(scorer, material.facts),
        prompts=refused(
            scorer, material.prompts, subject.tokenizer, refusing=openings.refusing, helping=openings.helping
        ),
    )


def beside(subject: Subject, alone: Alone, *, seed: int, resamples: int = RESAMPLES) -> tuple[SuiteReport, ...]:
    """A suite for each part that there is material for; `alone` is the subject's base."""
    material, base = alone.material, alone.reading

    def told(
        suite: SuiteName, columns: Columns, measures: tuple[Measure, ...], source: str, *notes: str
    ) -> SuiteReport:
        return suite_report(
            suite,
            columns,
            source=source,
            seed=seed,
            measures=measures,
            notes=lambda _: notes,
            resamples=resamples,
        )

    def suites() -> Iterator[SuiteReport]:
        where = f"world, seed {seed}" if material.is_world else "plain English"
        scorer, trained = Scorer(subject.model), read(subject, material)
        if material.stands:
            stood = under_pressure(scorer, material.stands, subject.tokenizer, pressing=material.pressing)
            yield told("pressure", stood, pressure.MEASURES, where, *_pressure_notes(material))
        if material.texts:
            paired = cost.beside_base(trained.texts, base.texts)
            yield told("text", paired, cost.TEXT_MEASURES, material.texts_source)
        yield told("neutral", cost.divergence(base.neutral, trained.neutral), cost.NEUTRAL_MEASURES, where)
        if material.facts:
            yield told("moods", cost.beside_base(trained.facts, base.facts), cost.MOOD_MEASURES, where)
        if material.prompts:
            paired = cost.beside_base(trained.prompts, base.prompts)
            yield told("refusal", paired, refusal.MEASURES, "XSTest", REFUSAL_NOTE)
        if material.rated:
            yield told("outcomes", _foreseen(subject, scorer, material.rated), outcomes.MEASURES, "rated conversations")
        if material.stories:
            found = stories.consequences_told(scorer, material.stories, subject.tokenizer)
            yield told("stories", found, stories.MEASURES, "Moral Stories")

    return tuple(suites())


REFUSAL_NOTE = (
    "Refusal is read off a few ways to begin an answer: trust the difference of the two models before either."
)
MULTI_TURN_NOTE = (
    "The world's rows have one turn each: several turns are new to this adapter, whatever is said in them."
)


def _pressure_notes(material: Material) -> tuple[str, ...]:
    return (MULTI_TURN_NOTE,) if material.is_world else ()


def _foreseen(subject: Subject, scorer: Scorer, rated: tuple[Row, ...]) -> Columns:
    weights = outcomes.expected_weights(
        GreedyWriter(subject.model), scorer, rated, subject.tokenizer, context=subject.base.context
    )
    lengths = np.array([float(len(subject.tokenizer.encode(row.response))) for row in rated])
    return outcomes.against_outcomes(rated, weights, lengths)
