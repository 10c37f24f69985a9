"""An evaluation, top to bottom: a subject, two suites, their figures."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from rich.console import Console

from tear_chain.manifest import EFFECTIVE_CONFIG
from tear_training.evaluate.bag_of_words import StrengthWords
from tear_training.evaluate.behaviour import own_drafts, supplied_drafts
from tear_training.evaluate.bootstrap import RESAMPLES, Columns
from tear_training.evaluate.cause import causes, trials
from tear_training.evaluate.curated import NOTE as CURATED_NOTE
from tear_training.evaluate.curated import read_curated, told_apart
from tear_training.evaluate.direction import directions, effects_after
from tear_training.evaluate.examples import examples
from tear_training.evaluate.figures import HARD_AT_MOST
from tear_training.evaluate.foreseen import against_gold, foresee
from tear_training.evaluate.gentle import gentle_choice
from tear_training.evaluate.items import Siblings, read_world
from tear_training.evaluate.pairs import hard_pairs, whole_scenes
from tear_training.evaluate.probe import by_situation, look_inside, probe
from tear_training.evaluate.report import EvalReport, Example, SuiteFigures, SuiteReport, suite_report
from tear_training.evaluate.scorer import Scorer
from tear_training.evaluate.steer import steered
from tear_training.evaluate.subject import Subject
from tear_training.evaluate.writer import GreedyWriter, Remembering
from tear_training.world import UnseenSplit, World
from tear_training.world_table import TABLES, TableName

SEED = 20261122
"""Of the situations, which no training configuration here draws with it, and of the bootstrap."""
SITUATIONS = 240
STEERED = 24
"""Of these, how many are asked again with states moved: each eight times over."""


def evaluate(
    subject: Subject,
    *,
    table: TableName,
    situations: int = SITUATIONS,
    seed: int = SEED,
    split: UnseenSplit = "test",
    curated: Path | None = None,
    base_alone: Columns | None = None,
    resamples: int = RESAMPLES,
    console: Console | None = None,
) -> EvalReport:
    """Score a subject on `situations` of one split of the world, and on the curated set where it is given.

    `base_alone` holds columns of the same situations, as the base by itself filled them.
    """
    console = console or Console(quiet=True)
    began = time.perf_counter()
    scorer = Scorer(subject.model)
    suite, drawn = _world_suite(
        subject,
        scorer,
        table,
        split=split,
        situations=situations,
        seed=seed,
        base_alone=base_alone or {},
        resamples=resamples,
        console=console,
    )
    suites = [suite]
    if curated is not None:
        suites.append(
            _curated_suite(subject, scorer, curated, split=split, seed=seed, resamples=resamples, console=console)
        )
    return EvalReport(
        name=subject.name,
        adapter=None if subject.manifest is None else subject.manifest.version,
        base=subject.base.name,
        base_fingerprint=subject.base.fingerprint,
        code_version=version("the-tear"),
        seed=seed,
        resamples=resamples,
        suites=tuple(suites),
        examples=drawn,
        scores=scorer.scores,
        scores_per_second=scorer.per_second,
        seconds=time.perf_counter() - began,
    )


def table_of(adapter: Path | None) -> TableName:
    """The world's table that an adapter was trained on, as its run recorded it; `balanced` where nothing says so."""
    recorded = None if adapter is None else adapter / EFFECTIVE_CONFIG
    if recorded is None or not recorded.is_file():
        return "balanced"
    config = yaml.safe_load(recorded.read_text(encoding="utf-8"))
    named = {source["world"].get("table", "balanced") for source in config.get("train", ()) if source.get("world")}
    return next((name for name in TABLES if named == {name}), "balanced")


def _world_suite(
    subject: Subject,
    scorer: Scorer,
    table: TableName,
    *,
    split: UnseenSplit,
    situations: int,
    seed: int,
    base_alone: Columns,
    resamples: int,
    console: Console,
) -> tuple[SuiteReport, tuple[Example, ...]]:
    world, tokenizer = World(seed, table=table), subject.tokenizer
    writer = Remembering(GreedyWriter(subject.model))
    with _told("Situations", console):
        siblings = read_world(world, tokenizer, count=situations, split=split)
        words = StrengthWords(world)
    columns: dict[str, NDArray[np.float64]] = {}
    with _told("D1 pairs", console):
        columns |= whole_scenes(scorer, siblings)
    with _told("Witnesses", console):
        # Before all that asks for a part of them: from here on they are remembered.
        foreseen = foresee(writer, siblings, tokenizer)
        columns |= against_gold(siblings, foreseen)
    with _told("D2 hard pairs", console):
        columns |= hard_pairs(scorer, writer, siblings, tokenizer, words=words)
    with _told("D3 direction", console):
        columns |= directions(scorer, writer, siblings, tokenizer, table=world.table)
    with _told("D4 cause", console):
        tried = trials(writer, siblings, tokenizer)
        columns |= causes(writer, tried, tokenizer, table=world.table, situations=len(siblings))
    with _told("D5 inside", console):
        within = look_inside(subject.model, siblings, tokenizer)
        readings = probe(within.states, within.opens, within.groups, seed=seed)
        columns |= by_situation(readings, within.groups, situations=len(siblings))
    with _told("D5 steered", console):
        turning = [place for place, each in enumerate(siblings) if each.turns][:STEERED]
        edits = [siblings[place].edits[0] for place in turning]
        asked = effects_after(writer, edits, tokenizer, table=world.table)
        columns |= steered(
            subject.model.model,
            scorer,
            layers=list(subject.model.model.layers),
            asked=dict(zip(turning, asked, strict=True)),
            within=within,
            readings=readings,
            marker=tokenizer.chain.witness,
            situations=len(siblings),
            seed=seed,
        )
    with _told("Behaviour", console):
        columns |= supplied_drafts(writer, tried, tokenizer, table=world.table, situations=len(siblings))
        columns |= gentle_choice(scorer, siblings, tokenizer)
        columns |= {f"{name}_base": values for name, values in base_alone.items()}
        columns |= own_drafts(writer, siblings, tokenizer, table=world.table)
        drawn = examples(writer, siblings, foreseen, tokenizer, seed=seed)
    suite = suite_report(
        "world",
        columns,
        source=f"{table} world, split {split}, seed {seed}",
        seed=seed,
        parts=_parts(siblings),
        notes=lambda figures: tuple(_notes(figures, table)),
        resamples=resamples,
    )
    return suite, drawn


def _curated_suite(
    subject: Subject,
    scorer: Scorer,
    file: Path,
    *,
    split: UnseenSplit,
    seed: int,
    resamples: int,
    console: Console,
) -> SuiteReport:
    with _told("Curated rows", console):
        rows = read_curated(file, subject.tokenizer, context=subject.base.context, split=split)
        columns = told_apart(scorer, rows, tokenizer=subject.tokenizer)
    return suite_report(
        "curated",
        columns,
        source=f"{file.name}, split {split}",
        seed=seed,
        notes=lambda _: (CURATED_NOTE,) if subject.base.name == "tear-nano" else (),
        resamples=resamples,
    )


def _parts(siblings: Sequence[Siblings]) -> Mapping[str, NDArray[np.bool_]]:
    golds = [each.opening[0].gold for each in siblings]
    seen_cell = np.array([gold.is_cell_seen for gold in golds])
    seen_words = np.array([gold.is_answer_seen for gold in golds])
    return {
        "cells that training showed": seen_cell,
        "cells held out": ~seen_cell,
        "wordings that training showed": seen_words,
        "wordings held out": ~seen_words,
    }


def _notes(figures: SuiteFigures, table: TableName) -> Iterator[str]:
    if table == "leaning":
        yield (
            "In the leaning world the act alone mostly tells the valence: D1 on opposite valence, D3 and D5 can be got "
            "there without a look at the need."
        )
    for name in ("d2_answer_only", "d2_bag_of_words"):
        if (ablation := figures.get(name)) and ablation.value > HARD_AT_MOST:
            yield f"The set of D2 is not hard: {ablation.title} gets {ablation.value:.2f}, over {HARD_AT_MOST:.2f}."
    for name, what in (("d2_gain", "D2"), ("d3_scaled", "D3"), ("d4_scaled", "D4")):
        if (found := figures.get(name)) and found.low <= 0:
            yield f"{what} is a null result: its interval holds chance or lies below it."
    if (read := figures.get("d4_read")) and read.value < 0.9:
        yield f"Of D4's revisions only {read.value:.0%} could be read; the rest count as neither better nor worse."


@contextmanager
def _told(step: str, console: Console) -> Iterator[None]:
    began = time.perf_counter()
    with console.status(f"{step} …"):
        yield
    console.print(f"[dim]{step}: {time.perf_counter() - began:.1f} s[/dim]", highlight=False)
