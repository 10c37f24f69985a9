"""Laws of a pass: what its examples teach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from training.runs import config

from tear_chain.format import SegmentKind
from tear_chain.tokenizer import ChainTokenizer
from tear_training.config import Pass
from tear_training.lesson import lesson
from tear_training.loss import KINDS
from tear_training.rehearsal import choose_texts, read_texts
from tear_training.rows import load_files
from tear_training.world import World

CURATED = Path(__file__).parents[2] / "training" / "data" / "curated.jsonl"
DRAFT = KINDS.index(SegmentKind.DRAFT)
WORLD_TEXTS: dict[str, Any] = {"world": {"seed": 3, "documents": 8}}


@pytest.fixture(scope="module")
def tokenizer(tiny_base: Path) -> ChainTokenizer:
    return ChainTokenizer.load(tiny_base)


def a_pass(**settings: Any) -> Pass:
    mix = {"opening": 1.0, "neutral": 1.0, "closing": 1.0}
    return Pass.model_validate({"name": "all", "mix": mix, "learning_rate": 1e-3, "lambda": 1.0, **settings})


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_pass_learns_its_share_of_the_gentle_drafts_and_witnesses_the_rest(
    tokenizer: ChainTokenizer, share: float
) -> None:
    rows = list(World(1, table="woven").rows(split="train", count=400))
    examples = lesson(a_pass(drafts=share), config(), rows, tokenizer, context=2048)
    every = lesson(a_pass(), config(), rows, tokenizer, context=2048)
    assert [example.tokens for example in examples] == [example.tokens for example in every]
    learned, gentle = ([example.kinds.count(DRAFT) for example in found] for found in (examples, every))
    # Of the rest the marker that ends an answer is learned alone, and a word of one that wounds is learned of none.
    assert all(had in (1, whole) for had, whole in zip(learned, gentle, strict=True))
    taught = sum(had > 1 for had in learned)
    assert taught == pytest.approx(share * sum(whole > 0 for whole in gentle), abs=0.06 * len(gentle))


def test_a_pass_that_does_not_rehearse_takes_no_texts(tokenizer: ChainTokenizer, tmp_path: Path) -> None:
    with_texts = config(rehearsal=WORLD_TEXTS)
    texts = read_texts(with_texts.rehearsal, tokenizer, folder=tmp_path, context=2048)
    assert len(choose_texts(texts, a_pass(), with_texts, steps=3)) == 3
    assert not choose_texts(texts, a_pass(rehearses=False), with_texts, steps=3)


def test_a_pass_may_take_rows_of_one_provenance_alone(tokenizer: ChainTokenizer) -> None:
    rows = [*World(1).rows(split="train", count=8), *load_files([CURATED])[:8]]
    taken = lesson(a_pass(provenance=["procedural"]), config(), rows, tokenizer, context=4096)
    assert {example.row_id for example in taken} == {row.id for row in rows[:8]}
