"""Laws of the controls: same rows, same order, same valence; only what happened is another's, or nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from training.runs import config

from tear_chain.format import SegmentKind
from tear_chain.manifest import MODEL_CARD_FILE, load_manifest
from tear_chain.tokenizer import ChainTokenizer
from tear_training.consequences import sham_rows
from tear_training.examples import Example, decide
from tear_training.lesson import lesson
from tear_training.loss import KINDS
from tear_training.rows import Row, load_files
from tear_training.train import train
from tear_training.world import World

CURATED = Path(__file__).parents[2] / "training" / "data" / "curated.jsonl"


@pytest.fixture(scope="module")
def tokenizer(tiny_base: Path) -> ChainTokenizer:
    return ChainTokenizer.load(tiny_base)


@pytest.fixture(scope="module", params=["world", "curated"])
def rows(request: pytest.FixtureRequest) -> list[Row]:
    return list(World(1).rows(split="train", count=60)) if request.param == "world" else load_files([CURATED])


def scenes(rows: list[Row]) -> Counter[str]:
    return Counter(row.consequence.model_dump_json() for row in rows)


def test_sham_scenes_are_the_same_ones_and_no_row_keeps_its_own(rows: list[Row]) -> None:
    told = sham_rows(rows, seed=1)
    assert scenes(told) == scenes(rows)
    places = {id(row.consequence): place for place, row in enumerate(rows)}
    assert all(places[id(row.consequence)] != place for place, row in enumerate(told))


def test_sham_leaves_all_but_the_scene_as_it_was(rows: list[Row]) -> None:
    told = sham_rows(rows, seed=1)
    same = [row.model_copy(update={"consequence": own.consequence}) for row, own in zip(told, rows, strict=True)]
    assert same == rows
    assert [decide(row) for row in told] == [decide(row) for row in rows]


def test_sham_keeps_the_valence(rows: list[Row]) -> None:
    for row, own in zip(sham_rows(rows, seed=1), rows, strict=True):
        told, before = row.consequence.weight, own.consequence.weight
        assert (told is None) == (before is None)
        if told is not None and before is not None:
            assert (told > 0, told < 0) == (before > 0, before < 0)


def test_sham_is_drawn_by_the_seed(rows: list[Row]) -> None:
    assert sham_rows(rows, seed=1) == sham_rows(rows, seed=1) != sham_rows(rows, seed=2)


def test_a_scene_that_is_alone_in_its_valence_stays() -> None:
    alone = next(World(1).rows(split="train", count=1))
    assert sham_rows([alone], seed=1) == [alone]


def taught(consequences: str, tokenizer: ChainTokenizer) -> list[Example]:
    settings = config(consequences=consequences)
    rows = list(World(1).rows(split="train", count=24))
    return lesson(settings.passes[1], settings, rows, tokenizer, context=4096)


def test_a_control_takes_the_same_rows_in_the_same_order(tokenizer: ChainTokenizer) -> None:
    own, sham, none = ([each.row_id for each in taught(name, tokenizer)] for name in ("own", "sham", "none"))
    assert own == sham == none


def count(examples: list[Example], kind: SegmentKind) -> int:
    return sum(each.kinds.count(KINDS.index(kind)) for each in examples)


@pytest.mark.parametrize("kind", [SegmentKind.DRAFT, SegmentKind.DECISION, SegmentKind.REVISED])
@pytest.mark.parametrize("name", ["sham", "none"])
def test_a_control_learns_every_answer_and_decision_that_the_others_learn(
    name: str, kind: SegmentKind, tokenizer: ChainTokenizer
) -> None:
    assert count(taught(name, tokenizer), kind) == count(taught("own", tokenizer), kind) > 0


def test_without_scenes_nothing_is_learned_as_consequence(tokenizer: ChainTokenizer) -> None:
    assert count(taught("none", tokenizer), SegmentKind.WITNESS) == 0


def test_without_scenes_the_decision_follows_the_witness_marker(tokenizer: ChainTokenizer) -> None:
    for each in taught("none", tokenizer):
        place = each.tokens.index(tokenizer.chain.witness)
        assert each.tokens[place + 1] in tokenizer.chain.decisions.values()


@pytest.mark.parametrize(("name", "said"), [("own", None), ("sham", "(sham)"), ("none", "left out")])
def test_manifest_and_card_tell_a_control(name: str, said: str | None, tiny_base: Path, tmp_path: Path) -> None:
    settings = config(consequences=name)
    train(settings.model_copy(update={"passes": settings.passes[:1]}), tiny_base, tmp_path / "out", folder=tmp_path)
    learned, measured = load_manifest(tmp_path / "out").data
    card = (tmp_path / "out" / MODEL_CARD_FILE).read_text()
    assert ("A control, not to be served" in card) == (said is not None)
    assert said is None or said in learned.name
    assert "scenes" not in measured.name
    assert f"consequences: {name}" in (tmp_path / "out" / "training.yaml").read_text()
