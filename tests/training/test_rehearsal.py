"""Laws of rehearsal: which texts a pass takes, and that a run with them is a run like any other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from training.runs import config, lines

from tear_chain.errors import DataError
from tear_chain.tokenizer import ChainTokenizer
from tear_training.config import Rehearsal, TrainConfig, load_config, save_config
from tear_training.loss import KINDS, REHEARSAL
from tear_training.plan import plan_run
from tear_training.rehearsal import Texts, choose_texts, read_texts
from tear_training.train import train

WORLD = {"world": {"seed": 1, "documents": 6}, "texts_per_step": 2, "against": "text"}


@pytest.fixture(scope="module")
def tokenizer(tiny_base: Path) -> ChainTokenizer:
    return ChainTokenizer.load(tiny_base)


def read(values: Mapping[str, Any], tokenizer: ChainTokenizer, *, folder: Path = Path(), context: int = 2048) -> Texts:
    return read_texts(Rehearsal.model_validate(values), tokenizer, folder=folder, context=context)


def test_of_a_text_every_token_but_the_first_is_learned(tokenizer: ChainTokenizer) -> None:
    for example in read(WORLD, tokenizer).examples:
        assert {KINDS[kind] for kind in example.kinds[1:]} == {REHEARSAL}
        assert len(example.kinds) == len(example.tokens)


def test_a_pass_takes_every_text_before_one_comes_twice(tokenizer: ChainTokenizer) -> None:
    texts, settings = read(WORLD, tokenizer), config(rehearsal=WORLD)
    chosen = choose_texts(texts, settings.passes[0], settings, steps=6)
    assert len(chosen) == 12
    assert set(chosen[:6]) == set(chosen[6:]) == set(texts.examples)
    assert chosen == choose_texts(texts, settings.passes[0], settings, steps=6)
    assert chosen != choose_texts(texts, settings.passes[1], settings, steps=6)


@pytest.mark.parametrize(("rows", "texts"), [(8, 1), (9, 2), (32, 4)], ids=str)
def test_one_text_joins_every_eight_rows(rows: int, texts: int) -> None:
    settings = config(rehearsal={"file": "a.txt"}, batching={"rows_per_step": rows, "micro_rows": rows})
    assert settings.texts_per_step == texts
    assert config().texts_per_step == 0


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "exactly one of world and file"),
        ({**WORLD, "file": "a.txt"}, "exactly one of world and file"),
        ({**WORLD, "license": "MIT"}, "license belongs to a file"),
    ],
    ids=["none", "both", "licence-of-the-world"],
)
def test_a_rehearsal_is_of_one_kind(values: Mapping[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Rehearsal.model_validate(values)


@pytest.mark.parametrize(("given", "told"), [({"license": "CC0-1.0"}, "CC0-1.0"), ({}, "unstated")], ids=str)
def test_the_record_of_a_file_has_its_digest_and_the_licence_that_was_given(
    given: Mapping[str, Any], told: str, tmp_path: Path, tokenizer: ChainTokenizer
) -> None:
    digests = set()
    for text in ("It is raining.", "It is snowing."):
        (tmp_path / "a.txt").write_text(text, encoding="utf-8")
        [record] = read({"file": "a.txt"} | given, tokenizer, folder=tmp_path).records
        assert (record.name, record.rows, record.license) == ("a.txt in windows", 1, told)
        digests.add(record.sha256)
    assert len(digests) == 2


def test_a_window_that_does_not_fit_into_the_base_is_refused(tmp_path: Path, tokenizer: ChainTokenizer) -> None:
    (tmp_path / "a.txt").write_text("It is raining. " * 100, encoding="utf-8")
    with pytest.raises(DataError, match="a text has 41 tokens; the base's context is 32"):
        read({"file": "a.txt", "window": 40}, tokenizer, folder=tmp_path, context=32)


def test_a_configuration_with_rehearsal_is_the_same_when_read_back(tmp_path: Path) -> None:
    settings = config(rehearsal={"file": "a.txt", "weight": 0.5})
    save_config(tmp_path / "saved.yaml", settings, comment="saved")
    assert load_config(tmp_path / "saved.yaml") == settings


def rehearsing(**changes: Any) -> TrainConfig:
    return config(rehearsal=WORLD | changes)


@pytest.fixture(scope="module")
def trained(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("rehearsed") / "out"
    train(rehearsing(), tiny_base, out, folder=out.parent)
    return out


def test_every_step_tells_what_was_rehearsed_and_the_loss_holds_it(trained: Path) -> None:
    for line in lines(trained / "steps.jsonl"):
        assert line["rehearsal"] > 0
        parts = line["response"] + line["lambda"] * line["consequence"] + line["rehearsal"]
        assert line["loss"] == pytest.approx(parts, rel=1e-5)


def test_manifest_and_card_name_the_texts(trained: Path) -> None:
    card = (trained / "README.md").read_text()
    assert "documents of world seed 1 train | 6 | Apache-2.0" in card
    assert "plain text joined every step (2 documents of its world)" in card


def test_a_plan_counts_the_texts(trained: Path, tiny_base: Path, tmp_path: Path) -> None:
    log = lines(trained / "steps.jsonl")
    for each in plan_run(rehearsing(), tiny_base, folder=tmp_path).passes:
        mine = [line for line in log if line["pass"] == each.name]
        assert (each.texts, each.learned) == (2 * len(mine), sum(line["learned_tokens"] for line in mine))


def test_a_plan_counts_what_the_base_reads(tiny_base: Path, tmp_path: Path) -> None:
    alone, beside = (plan_run(rehearsing(against=each), tiny_base, folder=tmp_path) for each in ("text", "base"))
    assert beside.memory.head > alone.memory.head
    assert beside.passes == alone.passes


def test_a_fresh_adapter_has_not_moved_from_its_base(tiny_base: Path, tmp_path: Path) -> None:
    train(rehearsing(against="base"), tiny_base, tmp_path / "out", folder=tmp_path)
    first, *later = (line["rehearsal"] for line in lines(tmp_path / "out" / "steps.jsonl"))
    assert first == pytest.approx(0, abs=1e-6)
    assert max(later) > 1e-4


def test_a_weight_of_zero_watches_and_teaches_nothing(tiny_base: Path, tmp_path: Path) -> None:
    # Dropout draws for the texts as well, and would tell the two runs apart.
    lora = {"rank": 8}
    train(config(lora=lora), tiny_base, tmp_path / "without", folder=tmp_path)
    train(config(lora=lora, rehearsal=WORLD | {"weight": 0}), tiny_base, tmp_path / "watched", folder=tmp_path)
    without, watched = (lines(tmp_path / name / "steps.jsonl") for name in ("without", "watched"))
    assert all(line["rehearsal"] > 0 for line in watched)
    assert [line["loss"] for line in watched] == pytest.approx([line["loss"] for line in without], rel=1e-5)
    assert [line["grad_norm"] for line in watched] == pytest.approx([line["grad_norm"] for line in without], rel=1e-4)
