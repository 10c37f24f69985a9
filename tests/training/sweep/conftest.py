"""A small sweep of two lambdas, a control and the base over two seeds, and evaluations of its cells made by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from training.runs import config

from tear_chain.artifact import write_card
from tear_training.config import TrainConfig
from tear_training.evaluate.cost import TEXT_MEASURES
from tear_training.evaluate.report import EvalReport, Example, suite_report
from tear_training.sweep.folders import EVALUATION_FILE, CellFolder, open_folders
from tear_training.sweep.grid import cells
from tear_training.sweep.settings import SweepConfig

SITUATIONS = 8
ANSWERS = ("opening_1", "closing_1")


def sweep(**changes: Any) -> SweepConfig:
    values = {
        "recipe": "tiny.yaml",
        "lambda": [0, 1],
        "controls": ["sham", "base"],
        "seeds": [1, 2],
        "evaluation": {"table": "woven", "situations": SITUATIONS, "seed": 5},
    }
    return SweepConfig.model_validate(values | changes)


def opened(out: Path, settings: SweepConfig, recipe: TrainConfig | None = None, **changes: Any) -> list[CellFolder]:
    asked = {"base_fingerprint": "f" * 16, "evaluation": settings.evaluation, "force": False} | changes
    return open_folders(out, cells(settings, recipe or config()), **asked)


def saw(name: str, columns: Mapping[str, Sequence[float]], *, ratio: float | None = None) -> EvalReport:
    """An evaluation that saw `columns`, and whose perplexity is `ratio` times the base's."""
    import numpy as np

    told = {column: np.array(values, dtype=np.float64) for column, values in columns.items()}
    suites = [suite_report("world", told, source="woven world", seed=5, resamples=20)]
    if ratio is not None:
        texts = {"nll": [2 + np.log(ratio)] * 3, "nll_base": [2.0] * 3, "tokens": [1.0] * 3}
        arrays = {column: np.array(values) for column, values in texts.items()}
        suites.append(suite_report("text", arrays, source="documents", seed=5, resamples=20, measures=TEXT_MEASURES))
    return EvalReport(
        name=name,
        adapter=None if name == "base" else f"adapter-{name}",
        base="tiny",
        base_fingerprint="f" * 16,
        code_version="0",
        seed=5,
        resamples=20,
        suites=tuple(suites),
        examples=(drawn(name),),
        scores=1,
        scores_per_second=1.0,
        seconds=2.0,
    )


def drawn(name: str) -> Example:
    return Example(
        id="row-1", column="opening_1", situation="I failed <again>.", draft="So what?", gold=-2,
        who="A tired one.", impact=f"{name} foresaw it.", ripples=None, weight=-1, decision="revise", answer="Rest.",
    )  # fmt: skip


def columns(**changes: Sequence[float]) -> dict[str, Sequence[float]]:
    """Outcomes of which every figure is plain: nothing is told apart, nothing helps, all kind drafts are kept."""
    half, none, all_ = [0.5] * SITUATIONS, [0.0] * SITUATIONS, [1.0] * SITUATIONS
    plain = dict.fromkeys(("d2", "d2_answer_only", "d2_bag_of_words", "d3", "draft_opens", "answer_opens"), half)
    plain |= dict.fromkeys(("d4_own", "d4_shuffled", "d4_swapped"), none) | {"kept_kind": all_}
    weights = {f"gold_{answer}": [2.0, -2.0] * (SITUATIONS // 2) for answer in ANSWERS}
    told = {f"foreseen_{answer}": [1.0, float("nan")] * (SITUATIONS // 2) for answer in ANSWERS}
    return {**plain, **weights, **told, **changes}


@pytest.fixture
def finished(tmp_path: Path) -> Callable[..., list[CellFolder]]:
    """The folders of a sweep in which every cell that is given columns is done."""

    def make(
        told: Mapping[str, Mapping[str, Sequence[float]]], settings: SweepConfig | None = None
    ) -> list[CellFolder]:
        folders = opened(tmp_path / "out", settings or sweep())
        for each in folders:
            if each.cell.name in told:
                ratio = None if each.cell.config is None else 1.01
                write_card(each.path / EVALUATION_FILE, saw(each.cell.name, told[each.cell.name], ratio=ratio))
        return folders

    return make
