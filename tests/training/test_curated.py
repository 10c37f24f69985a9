"""The curated set is what its card says: these are laws of the data, not of the code."""

import hashlib
import re
from pathlib import Path

import pytest

from tear_training.audit import CURATED, Audit, audit_rows
from tear_training.rows import Row, load_files

DATA = Path("training/data")


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return load_files([DATA])


@pytest.fixture(scope="module")
def audit(rows: list[Row]) -> Audit:
    return audit_rows(rows, CURATED)


def test_every_bar_is_kept(audit: Audit) -> None:
    assert {verdict.name: verdict.state for verdict in audit.verdicts if verdict.state != "kept"} == {}


def test_every_row_says_what_wrote_it_from_which_brief(rows: list[Row]) -> None:
    brief = hashlib.sha256((DATA / "BRIEF.md").read_bytes()).hexdigest()
    for row in rows:
        assert (row.provenance.kind, row.provenance.prompt_digest, row.license) == ("curated", brief, "Apache-2.0")
        assert "Claude" in row.provenance.generator


def test_a_closing_answer_has_a_better_one_and_no_other_has(rows: list[Row]) -> None:
    assert all((row.revised is not None) == row.wounding for row in rows)


def test_a_scene_is_whole(rows: list[Row]) -> None:
    for row in rows:
        scene = row.consequence
        assert None not in (scene.who, scene.ripples, scene.weight), row.id


def test_no_brand_of_encoding_trouble_is_in_the_text(rows: list[Row]) -> None:
    broken = re.compile("\u00e2\u20ac|\u00c3.|\ufffd|[\u0000-\u0008]")
    assert [row.id for row in rows if broken.search(row.model_dump_json())] == []


def test_the_cards_counts_are_the_sets(rows: list[Row]) -> None:
    card = (DATA / "README.md").read_text(encoding="utf-8")
    assert f"{len(rows)} answers to {len({row.situation_id for row in rows})} situations" in card
    assert f"{len({row.culture for row in rows})} cultural settings" in card
