"""Hand-computed cases of a sweep's report, and laws of its page, its plots and its command."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from pathlib import Path

import pytest
import typer
from rich.console import Console
from training.runs import config
from training.sweep.conftest import SITUATIONS, columns, opened, saw, sweep
from typer.testing import CliRunner

from tear_chain.artifact import write_card
from tear_chain.errors import DataError
from tear_chain.prepared import load_prepared
from tear_training.config import save_config
from tear_training.sweep.charts import charts
from tear_training.sweep.command import sweep_command
from tear_training.sweep.folders import EVALUATION_FILE, CellFolder
from tear_training.sweep.page import render_page
from tear_training.sweep.report import compile_report, held_out_cells, write_report
from tear_training.sweep.results import SweepReport
from tear_training.sweep.settings import SweepConfig
from tear_training.sweep.show import print_report

Finished = Callable[..., list[CellFolder]]
HALF, ALL = SITUATIONS // 2, SITUATIONS


def told(**changes: Mapping[str, Sequence[float]]) -> dict[str, Mapping[str, Sequence[float]]]:
    """Outcomes of all cells: plain ones but for those of the conditions named."""
    found: dict[str, Mapping[str, Sequence[float]]] = {"base": columns()}
    for condition in ("lambda-0", "lambda-1", "sham"):
        for seed in (1, 2):
            found[f"{condition}-seed-{seed}"] = changes.get(condition.replace("-", "_"), columns())
    return found


def compiled(folders: Sequence[CellFolder], base: Path, settings: SweepConfig | None = None) -> SweepReport:
    card = load_prepared(base)
    return compile_report(settings or sweep(), folders, base=card, command=["tear", "sweep", "a b"], resamples=50)


@pytest.fixture
def whole(finished: Finished, tiny_base: Path) -> SweepReport:
    sees = columns(d2=[1.0] * ALL, d4_own=[1.0] * HALF + [0.0] * HALF, draft_opens=[1.0] * ALL)
    return compiled(finished(told(lambda_1=sees)), tiny_base)


def test_a_condition_is_figured_over_its_seeds(finished: Finished, tiny_base: Path) -> None:
    cells = told() | {"lambda-1-seed-1": columns(kept_kind=[0.0] * ALL)}
    report = compiled(finished(cells), tiny_base)
    condition = report.condition("lambda-1")
    assert condition is not None
    assert condition.seeds == (1, 2)
    kept = condition.figure("kept_kind")
    assert kept is not None
    assert (kept.value, kept.by_seed) == (0.5, (0.0, 1.0))
    assert (kept.low, kept.high) == (0.0, 1.0)  # both seeds may be drawn twice


def test_a_comparison_is_the_difference_of_the_two(whole: SweepReport) -> None:
    found = whole.comparison("draft_opens", "lambda-1", "sham")
    assert found is not None
    assert (found.value, found.low, found.high, found.seeds) == (0.5, 0.5, 0.5, 2)


def test_every_lambda_above_zero_is_compared_with_lambda_zero_and_every_control(whole: SweepReport) -> None:
    assert whole.pairs == [("lambda-1", "lambda-0"), ("lambda-1", "sham"), ("lambda-1", "base")]


def test_d2_is_told_on_held_out_cells_alone(finished: Finished, tiny_base: Path) -> None:
    held_out = held_out_cells(sweep().evaluation, seed=5)
    assert 0 < held_out.sum() < ALL
    sees = columns(d2=[float(is_held_out) for is_held_out in held_out])
    report = compiled(finished(told(lambda_1=sees)), tiny_base)
    condition = report.condition("lambda-1")
    assert condition is not None
    figure = condition.figure("d2_held_out")
    assert figure is not None
    assert figure.value == 1.0


def test_verdicts_say_what_was_reached_and_what_not(whole: SweepReport) -> None:
    assert {(each.bar, each.state) for each in whole.verdicts} == {
        ("D2 on held-out cells, over lambda 0", "reached"),
        ("D2 on held-out cells, over sham", "reached"),
        ("D4, own witness less shuffled", "reached"),
        ("Kind drafts kept", "reached"),
        ("Gentle choice (own drafts that open), over lambda 0", "reached"),
        ("Perplexity over the base's", "reached"),
    }


def test_a_null_is_printed_as_not_reached(finished: Finished, tiny_base: Path) -> None:
    report = compiled(finished(told()), tiny_base)
    screen = StringIO()
    print_report(report, Console(file=screen, width=200))
    said = screen.getvalue()
    assert said.count("not reached") == 4
    assert "lambda-1 reached 2 of 6 bars." in said
    assert render_page(report).count(">not reached<") == 4


def test_conditions_are_compared_on_the_seeds_that_both_have(finished: Finished, tiny_base: Path) -> None:
    cells = told() | {"lambda-1-seed-2": columns(kept_kind=[0.0] * ALL)}
    del cells["sham-seed-2"]
    report = compiled(finished(cells), tiny_base)
    assert report.missing == ("sham-seed-2",)
    against = {name: report.comparison("kept_kind", "lambda-1", name) for name in ("sham", "lambda-0", "base")}
    assert {name: (found.value, found.seeds) for name, found in against.items() if found} == {
        "sham": (0.0, 1),
        "lambda-0": (-0.5, 2),
        "base": (-0.5, 2),
    }
    assert "Not whole: 1 cells are not done (sham-seed-2)." in render_page(report)


def test_without_a_cell_there_is_nothing_to_report(finished: Finished, tiny_base: Path) -> None:
    with pytest.raises(DataError, match="No cell of this sweep is done"):
        compiled(finished({}), tiny_base)


def test_foreseen_weights_are_held_against_gold_ones(whole: SweepReport) -> None:
    condition = whole.condition("sham")
    assert condition is not None
    assert [(each.gold, each.foreseen.value) for each in condition.calibration] == [(2, 1.0)]
    # Two seeds of two answers to eight situations, of which half tell no weight.
    assert (condition.weights[1], condition.unread) == (16, 16)
    assert (whole.gold[2], whole.gold[-2], whole.gold[0]) == (8, 8, 0)


def test_the_document_is_read_back_as_it_was_written(whole: SweepReport, tmp_path: Path) -> None:
    write_card(tmp_path / "sweep.json", whole)
    assert SweepReport.model_validate_json((tmp_path / "sweep.json").read_text()) == whole


def test_the_document_says_how_it_was_made(whole: SweepReport) -> None:
    assert whole.command == "tear sweep 'a b'"
    assert whole.machine.cores > 0
    assert {"the-tear", "torch", "transformers"} <= whole.versions.keys()
    assert [each.name for each in whole.cells if each.adapter is None] == ["base"]


def test_the_page_fetches_nothing_and_runs_nothing(whole: SweepReport) -> None:
    page = render_page(whole)
    assert not re.search(r"<script|<link|<img|src=|url\((?!#)|@import|href=\"(?!#)", page)


def test_what_models_wrote_is_escaped(whole: SweepReport) -> None:
    page = render_page(whole)
    assert "I failed &lt;again&gt;." in page
    assert "<again>" not in page


def test_examples_are_those_that_the_evaluation_drew_side_by_side(whole: SweepReport) -> None:
    assert [(each.condition, each.seed, each.example.impact) for each in whole.examples] == [
        ("lambda-1", 1, "lambda-1-seed-1 foresaw it."),
        ("lambda-0", 1, "lambda-0-seed-1 foresaw it."),
        ("sham", 1, "sham-seed-1 foresaw it."),
    ]


def test_page_and_plots_are_the_same_bytes_for_the_same_report(whole: SweepReport, tmp_path: Path) -> None:
    written = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        written.append([path.read_bytes() for path in write_report(tmp_path / name, whole)])
    assert written[0] == written[1]
    names = {path.name for path in (tmp_path / "first").iterdir()}
    assert names == {"sweep.json", "sweep.html", *(f"{name}.png" for name in charts(whole))}
    assert set(charts(whole)) == {"lambda", "controls", "calibration", "weights"}


def app() -> typer.Typer:
    found = typer.Typer()
    found.command()(sweep_command)
    return found


def written(folder: Path, recipe: str = "tiny.yaml") -> Path:
    save_config(folder / "tiny.yaml", config(), comment="tear train")
    path = folder / "sweep.yaml"
    path.write_text(
        f"recipe: {recipe}\nlambda: [0, 1]\ncontrols: [sham, base]\nseeds: [1, 2]\n"
        "evaluation: {table: woven, situations: 8, seed: 5}\n"
    )
    return path


def test_a_dry_run_tells_the_grid_and_writes_nothing(tiny_base: Path, tmp_path: Path) -> None:
    command = [str(written(tmp_path)), "--base", str(tiny_base), "--out", str(tmp_path / "out"), "--dry-run"]
    ended = CliRunner().invoke(app(), command)
    assert ended.exit_code == 0, ended.output
    assert all(word in ended.output for word in ("7 cells, 7 of them to do", "warmth 2, integration 3", "sham"))
    assert not (tmp_path / "out").exists()


def test_the_report_of_what_is_done_needs_no_work(tiny_base: Path, tmp_path: Path) -> None:
    path, out = written(tmp_path), tmp_path / "out"
    fingerprint = load_prepared(tiny_base).fingerprint
    for each in opened(out, sweep(), config(), base_fingerprint=fingerprint):
        write_card(each.path / EVALUATION_FILE, saw(each.cell.name, columns()))
    ended = CliRunner().invoke(app(), [str(path), "--base", str(tiny_base), "--out", str(out), "--report-only"])
    assert ended.exit_code == 0, ended.output
    assert "not reached" in ended.output
    report = SweepReport.model_validate_json((out / "sweep.json").read_text())
    assert report.command == f"tear sweep {path} --base {tiny_base} --out {out}"


def test_a_recipe_that_is_not_there_is_told_in_a_sentence(tiny_base: Path, tmp_path: Path) -> None:
    command = [str(written(tmp_path, "gone.yaml")), "--base", str(tiny_base), "--out", str(tmp_path / "out")]
    ended = CliRunner().invoke(app(), command)
    assert ended.exit_code == 1
    assert "gone.yaml cannot be read" in ended.output
    assert "Traceback" not in ended.output
