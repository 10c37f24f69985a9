"""A whole evaluation on the tiny base: the report, the manifest, the command."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest
import typer
from rich.console import Console
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from tear_chain.artifact import describe
from tear_chain.errors import AdapterError, AdapterMismatch, DataError
from tear_chain.format import FORMAT_VERSION
from tear_chain.manifest import (
    CONFIG_FILE,
    DRAFT_WITNESS_REVISE,
    MANIFEST_FILE,
    WEIGHTS_FILE,
    Manifest,
    load_manifest,
    save_manifest,
)
from tear_chain.prepared import load_prepared
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.tokens import TOKEN_NAMES
from tear_training.adapter import add_adapter, load_base, save_adapter
from tear_training.config import LoraSettings
from tear_training.evaluate import runs
from tear_training.evaluate.command import eval_command
from tear_training.evaluate.curated import read_curated, told_apart
from tear_training.evaluate.evaluation import SEED, evaluate, table_of
from tear_training.evaluate.items import read_world
from tear_training.evaluate.marks import write_marks
from tear_training.evaluate.report import EvalReport
from tear_training.evaluate.scorer import Question, Scorer
from tear_training.evaluate.show import print_report
from tear_training.evaluate.subject import load_subject
from tear_training.rows import Row, write_rows
from tear_training.world import UnseenSplit, World

SPLITS: tuple[UnseenSplit, ...] = ("test", "validation")


@pytest.fixture(scope="module", autouse=True)
def _short_texts() -> Iterator[None]:
    """A random model never stops by itself, and what it writes is noise after four tokens as after two hundred."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "DRAFT_LIMIT", 4)
        patch.setattr(runs, "WITNESS_LIMIT", 4)
        yield


@pytest.fixture(scope="module")
def adapter(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA that was never trained but does something: its second halves are not zero."""
    folder = tmp_path_factory.mktemp("evaluated") / "adapter"
    card = load_prepared(tiny_base)
    save_adapter(add_adapter(load_base(tiny_base, longest=64), LoraSettings(rank=8), seed=1), folder, base=card)
    weights = load_file(folder / WEIGHTS_FILE)
    save_file({name: values + 0.05 for name, values in weights.items()}, folder / WEIGHTS_FILE)
    save_manifest(
        folder,
        Manifest(
            format_version=FORMAT_VERSION,
            name="tiny",
            order=DRAFT_WITNESS_REVISE,
            base_fingerprint=card.fingerprint,
            token_names=TOKEN_NAMES,
            rank=8,
            code_version="0",
            seed=1,
            passes=(),
            data=(),
            non_commercial=False,
            metrics={"nll_response": 1.5},
            files={name: describe(folder / name) for name in (WEIGHTS_FILE, CONFIG_FILE)},
        ),
    )
    return folder


def app() -> typer.Typer:
    found = typer.Typer()
    found.command()(eval_command)
    return found


class Run(NamedTuple):
    """What the command printed, and what it wrote."""

    stdout: str
    report: EvalReport


@pytest.fixture(scope="module")
def run(tiny_base: Path, adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("report") / "report.json"
    asked = [str(adapter), "--base", str(tiny_base), "--situations", "8", "--out", str(out), "--json", "--write"]
    result = CliRunner().invoke(app(), asked)
    assert result.exit_code == 0, result.output
    return Run(result.stdout, EvalReport.model_validate_json(out.read_text()))


@pytest.fixture(scope="module")
def report(run: Run) -> EvalReport:
    return run.report


def test_a_report_names_what_was_evaluated(report: EvalReport, adapter: Path) -> None:
    manifest = load_manifest(adapter)
    assert (report.name, report.adapter) == ("tiny", manifest.version)
    assert report.base_fingerprint == manifest.base_fingerprint
    assert report.scores > 0 < report.scores_per_second


def test_a_report_tells_every_part_of_the_score(report: EvalReport) -> None:
    world = report.suite("world")
    assert world is not None
    told = {figure.name for figure in world.figures}
    assert {"cas", "d1_same", "d1_opposite", "d2", "d2_gain", "d3", "d4_gain", "d5", "d5_control"} <= told
    assert {"well_formed_own", "revised_wounding", "kept_kind"} <= told
    assert {part.name for part in world.parts} >= {"cells held out", "wordings held out"}


def test_a_null_result_is_said(report: EvalReport) -> None:
    """An adapter that learned nothing has nothing to show, and the report says so of each part."""
    world = report.suite("world")
    assert world is not None
    score = world.figure("cas")
    assert score is not None
    assert score.low == 0
    assert any("null result" in note for note in world.notes)


def test_marks_are_laid_over_the_metrics_and_the_version_stays(report: EvalReport, adapter: Path) -> None:
    before = load_manifest(adapter)
    after = write_marks(adapter, report)
    assert after == load_manifest(adapter)
    assert after.version == before.version
    assert after.metrics["nll_response"] == 1.5
    assert {"cas", "cas_low", "cas_high", "d2", "d3", "d4_gain"} <= after.metrics.keys()


def test_marks_stand_in_the_model_card_too(report: EvalReport, adapter: Path) -> None:
    card = adapter / "README.md"
    card.write_text("# Mine\n\n## What was measured\n\nNothing yet.\n\n## Limits\n\n- Many.\n")
    after = write_marks(adapter, report)
    assert card.read_text().startswith("# Mine\n\n## What was measured\n\n| Held-out figure | Value |\n")
    assert all(f"| `{name}` | {value:.4g} |" in card.read_text() for name, value in after.metrics.items())
    assert card.read_text().endswith("\n## Limits\n\n- Many.\n")


def test_marks_of_another_adapter_are_refused(report: EvalReport, adapter: Path) -> None:
    with pytest.raises(AdapterError, match="of adapter 0000"):
        write_marks(adapter, report.model_copy(update={"adapter": "0000"}))


def test_the_adapter_is_in_the_model_that_is_scored(tiny_base: Path, adapter: Path) -> None:
    asked = [Question((300, 301), ((400, 401),))]
    alone, with_it = (Scorer(load_subject(tiny_base, given).model).score(asked) for given in (None, adapter))
    assert abs(alone[0][0] - with_it[0][0]) > 1e-3


def test_an_adapter_of_another_base_is_refused(tiny_base: Path, adapter: Path, tmp_path: Path) -> None:
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        (tmp_path / name).write_bytes((adapter / name).read_bytes())
    save_manifest(tmp_path, load_manifest(adapter).model_copy(update={"base_fingerprint": "0" * 16}))
    with pytest.raises(AdapterMismatch):
        load_subject(tiny_base, tmp_path)


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ("train: [{world: {seed: 7, table: leaning, split: train, rows: 5}}]", "leaning"),
        ("train: [{world: {seed: 7, split: train, rows: 5}}, {file: rows.jsonl}]", "balanced"),
        (None, "balanced"),
    ],
    ids=["named", "the-default", "nothing-recorded"],
)
def test_the_table_is_the_one_that_the_run_recorded(recorded: str | None, expected: str, tmp_path: Path) -> None:
    if recorded is not None:
        (tmp_path / "training.yaml").write_text(recorded)
    assert table_of(tmp_path) == expected


@pytest.fixture
def curated(tmp_path: Path) -> Path:
    """Two situations of the test split with four answers each, and a row of another split."""
    rows = [
        row.model_copy(update={"situation_id": situation, "id": f"{situation}.{place}"})
        for situation, siblings in zip(
            ("late-reply/1", "x7", "x2"), World(4, table="leaning").siblings(split="test", count=3), strict=True
        )
        for place, (row, _) in enumerate(siblings)
    ]
    write_rows(tmp_path / "rows.jsonl", rows)
    return tmp_path / "rows.jsonl"


def test_curated_rows_are_told_apart_by_their_own_suite(curated: Path, tiny_base: Path) -> None:
    subject = load_subject(tiny_base, None)
    situations = read_curated(curated, subject.tokenizer, context=4096)
    columns = told_apart(Scorer(subject.model), situations, tokenizer=subject.tokenizer)
    assert columns.keys() == {"d1_same", "d1_opposite", "d1_words"}
    assert {len(values) for values in columns.values()} == {len(situations)}


def test_a_file_without_a_test_situation_is_named(tiny_base: Path, tmp_path: Path) -> None:
    row: Row = next(World(4).rows(split="train", count=1))
    write_rows(tmp_path / "one.jsonl", [row])
    with pytest.raises(DataError, match=r"one\.jsonl holds no situation of the test split"):
        read_curated(tmp_path / "one.jsonl", ChainTokenizer.load(tiny_base), context=4096)


def test_a_person_is_told_every_figure_and_note(report: EvalReport) -> None:
    said = StringIO()
    print_report(report, Console(file=said, width=200))
    for suite in report.suites:
        for told in (*(figure.title for figure in suite.figures), *suite.notes):
            assert told in said.getvalue()


def test_the_command_prints_the_document_alone_and_marks_the_manifest(run: Run, adapter: Path) -> None:
    assert EvalReport.model_validate_json(run.stdout) == run.report
    found = run.report.suites[0].figure("cas")
    assert found is not None
    assert load_manifest(adapter).metrics["cas"] == found.value


def test_the_command_says_errors_in_a_sentence(tiny_base: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app(), [str(tmp_path), "--base", str(tiny_base)])
    assert result.exit_code == 1
    assert "is not an adapter of The Tear" in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_nothing_is_written_without_an_adapter() -> None:
    assert CliRunner().invoke(app(), ["--write"]).exit_code == 2


def test_no_manifest_tells_of_the_split_that_recipes_are_chosen_by(adapter: Path) -> None:
    before = (adapter / MANIFEST_FILE).read_bytes()
    result = CliRunner().invoke(app(), [str(adapter), "--split", "validation", "--write"])
    assert result.exit_code == 2
    assert (adapter / MANIFEST_FILE).read_bytes() == before


def test_the_source_names_the_split_and_its_situations_are_others(tiny_base: Path, report: EvalReport) -> None:
    chosen = evaluate(load_subject(tiny_base, None), table="balanced", situations=8, split="validation", resamples=20)
    assert [suite.suites[0].source for suite in (report, chosen)] == [
        f"balanced world, split {split}, seed {SEED}" for split in SPLITS
    ]
    tokenizer = ChainTokenizer.load(tiny_base)
    one, other = (
        {each.opening[0].told.row.situation_id for each in read_world(World(SEED), tokenizer, count=8, split=split)}
        for split in SPLITS
    )
    assert one.isdisjoint(other)


def test_the_command_is_imported_without_torch() -> None:
    ask = "import sys, tear_training.evaluate.command as _; sys.exit(bool({'torch', 'sklearn'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", ask], check=False).returncode == 0
