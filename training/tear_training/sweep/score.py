"""The evaluation of a cell: what `tear eval` gives, and the perplexity ratio where the base can read the world."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from tear_training.evaluate import cost
from tear_training.evaluate.beside import WORLD_BASE, gather
from tear_training.evaluate.evaluation import SEED, evaluate
from tear_training.evaluate.report import EvalReport, SuiteReport, suite_report
from tear_training.evaluate.scorer import Scorer
from tear_training.evaluate.subject import Subject, load_subject
from tear_training.sweep.settings import Scoring


def score(base: Path, adapter: Path | None, scoring: Scoring, *, console: Console) -> EvalReport:
    """Score an adapter, or the base alone."""
    seed = SEED if scoring.seed is None else scoring.seed
    subject = load_subject(base, adapter)
    report = evaluate(subject, table=scoring.table, situations=scoring.situations, seed=seed, console=console)
    # Of the base alone the ratio is 1.
    if adapter is None or report.suite("text") is not None:
        return report
    text = _text(subject, base, scoring, seed=seed)
    return report if text is None else report.model_copy(update={"suites": (*report.suites, text)})


def _text(subject: Subject, base: Path, scoring: Scoring, *, seed: int) -> SuiteReport | None:
    is_world = subject.base.name == WORLD_BASE
    asked = gather(subject.tokenizer, is_world=is_world, table=scoring.table, seed=seed)
    if not asked.texts:
        return None
    alone = cost.text_nll(Scorer(load_subject(base, None).model), asked.texts)
    paired = cost.beside_base(cost.text_nll(Scorer(subject.model), asked.texts), alone)
    return suite_report("text", paired, source=asked.texts_source, seed=seed, measures=cost.TEXT_MEASURES)
