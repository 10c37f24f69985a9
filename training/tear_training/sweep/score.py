"""The evaluation of a cell: what `tear eval` gives."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from tear_training.evaluate.beside import beside, read_base
from tear_training.evaluate.evaluation import SEED, evaluate
from tear_training.evaluate.report import EvalReport
from tear_training.evaluate.subject import load_subject
from tear_training.sweep.settings import Scoring


def score(base: Path, adapter: Path | None, scoring: Scoring, *, console: Console) -> EvalReport:
    """Score an adapter, or the base alone."""
    table, split = scoring.table, scoring.split
    seed = SEED if scoring.seed is None else scoring.seed
    # What the base forgot by being trained is nothing where nothing was trained.
    alone = (
        None if adapter is None else read_base(base, table=table, split=split, seed=seed, situations=scoring.situations)
    )
    subject = load_subject(base, adapter)
    report = evaluate(
        subject,
        table=table,
        situations=scoring.situations,
        split=split,
        seed=seed,
        base_alone=None if alone is None else alone.choice,
        console=console,
    )
    if alone is None:
        return report
    return report.model_copy(update={"suites": (*report.suites, *beside(subject, alone, seed=seed))})
