"""Writing the report of a sweep: the document, its page and its plots, from whatever cells are done."""

from __future__ import annotations

import datetime
import os
import platform
import shlex
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from tear_chain.artifact import write_card
from tear_chain.errors import DataError
from tear_chain.prepared import PreparedBase
from tear_training.evaluate.bootstrap import RESAMPLES
from tear_training.evaluate.evaluation import SEED
from tear_training.sweep.analysis import Analyst, above_zero, drawn_examples, gold_weights, verdicts
from tear_training.sweep.conditions import Mask, read_conditions
from tear_training.sweep.folders import CellFolder
from tear_training.sweep.grid import lambda_name
from tear_training.sweep.results import Machine, SweepReport
from tear_training.sweep.settings import Scoring, SweepConfig
from tear_training.world import World

REPORT_FILE = "sweep.json"
PAGE_FILE = "sweep.html"
_PACKAGES = ("the-tear", "torch", "transformers", "peft", "accelerate", "numpy", "scikit-learn")


def compile_report(
    sweep: SweepConfig,
    folders: Sequence[CellFolder],
    *,
    base: PreparedBase,
    command: Sequence[str],
    resamples: int = RESAMPLES,
) -> SweepReport:
    """The report of all cells that are done; `DataError` where there is none."""
    read = read_conditions(folders)
    if not read:
        raise DataError("No cell of this sweep is done; there is nothing to report.")
    reports = {run.folder.cell.name: run.report for condition in read for run in condition.runs}
    scoring = sweep.evaluation
    seed = SEED if scoring.seed is None else scoring.seed
    held_out = held_out_cells(scoring, seed=seed)
    analyst = Analyst(held_out, seed=seed, resamples=resamples)
    conditions = tuple(analyst.condition(each) for each in read)
    comparisons = tuple(analyst.comparisons(read, sweep))
    main = _main(sweep, [each.name for each in conditions])
    world = next(iter(reports.values())).suites[0]
    return SweepReport(
        command=shlex.join(command),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        recipe=sweep.recipe.name,
        base=base.name,
        base_fingerprint=base.fingerprint,
        machine=this_machine(),
        versions=dict(_versions()),
        sweep=sweep,
        situations=f"{world.situations} situations: {world.source}; {held_out.sum()} with cells held out",
        seed=seed,
        resamples=resamples,
        cells=tuple(analyst.cell(each, reports.get(each.cell.name)) for each in folders),
        missing=tuple(each.cell.name for each in folders if not each.is_done),
        conditions=conditions,
        gold=gold_weights(read),
        comparisons=comparisons,
        verdicts=verdicts(sweep, conditions, comparisons),
        main=main,
        examples=tuple(drawn_examples(read, [main, lambda_name(0), "sham"])),
    )


def write_report(out: Path, report: SweepReport) -> list[Path]:
    """Write the document, the page and the plots into a folder, and name them."""
    from tear_training.sweep.charts import write_plots
    from tear_training.sweep.page import write_page

    write_card(out / REPORT_FILE, report)
    write_page(out / PAGE_FILE, report)
    return [out / REPORT_FILE, out / PAGE_FILE, *write_plots(out, report)]


def held_out_cells(scoring: Scoring, *, seed: int) -> Mask:
    """Which situations of an evaluation have a need and acts that training never showed together."""
    drawn = World(seed, table=scoring.table).siblings(split=scoring.split, count=scoring.situations)
    return np.array([not first[1].is_cell_seen for first, *_ in drawn])


def this_machine() -> Machine:
    """The machine that this runs on."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text(encoding="utf-8").splitlines() if cpu.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        processor=named[0] if named else platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=round(memory / 1e9, 1),
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _main(sweep: SweepConfig, done: Sequence[str]) -> str | None:
    wanted = [name for name in (lambda_name(1), *reversed(above_zero(sweep))) if name in done]
    return wanted[0] if wanted else None
