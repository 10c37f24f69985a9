from __future__ import annotations

import json
from pathlib import Path

import pytest

import tear_chain.prepared
from tear_chain.artifact import describe, fingerprint
from tear_chain.errors import BaseError
from tear_chain.format import FORMAT_VERSION
from tear_chain.prepared import CARD_FILE, PreparedBase, load_prepared, save_prepared
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.tokens import TOKEN_NAMES

NAMES = ("config.json", "model.safetensors", "tekken.json")


@pytest.fixture
def card(tmp_path: Path) -> PreparedBase:
    """A small base in `tmp_path`, with its card."""
    for name in NAMES:
        (tmp_path / name).write_bytes(f"contents of {name}".encode())
    files = {name: describe(tmp_path / name) for name in NAMES}
    card = PreparedBase(
        format_version=FORMAT_VERSION,
        name="tear-small",
        fingerprint=fingerprint(files),
        source="somewhere",
        license="Apache-2.0",
        context=2048,
        tokens={"<draft>": 900},
        set_rows=("<draft>",),
        files=files,
    )
    save_prepared(tmp_path, card)
    return card


def change(folder: Path, **values: object) -> None:
    """Rewrite fields of the card on disk."""
    path = folder / CARD_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_base_comes_back_as_it_was_saved(tmp_path: Path, card: PreparedBase) -> None:
    assert load_prepared(tmp_path) == card


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(tmp_path: Path, card: PreparedBase, name: str) -> None:
    (tmp_path / name).unlink()
    with pytest.raises(BaseError, match=name):
        load_prepared(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_a_truncated_file_is_named(tmp_path: Path, card: PreparedBase, name: str) -> None:
    (tmp_path / name).write_bytes(b"cont")
    with pytest.raises(BaseError, match=name):
        load_prepared(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_file_of_a_small_base_is_named(tmp_path: Path, card: PreparedBase, name: str) -> None:
    (tmp_path / name).write_bytes(f"Contents of {name}".encode())
    with pytest.raises(BaseError, match=name):
        load_prepared(tmp_path)


def test_a_large_base_is_checked_by_sizes_unless_asked_for_more(
    tmp_path: Path, card: PreparedBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tear_chain.prepared, "WHOLE_CHECK_BYTES", 10)
    (tmp_path / "config.json").write_bytes(b"Contents of config.json")
    load_prepared(tmp_path)
    with pytest.raises(BaseError, match=r"config\.json"):
        load_prepared(tmp_path, whole=True)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"name": "tear"}'], ids=["empty", "cut", "list", "other"])
def test_a_corrupt_card_is_named(tmp_path: Path, card: PreparedBase, damage: str) -> None:
    (tmp_path / CARD_FILE).write_text(damage)
    with pytest.raises(BaseError, match=CARD_FILE):
        load_prepared(tmp_path)


def test_a_card_whose_fingerprint_is_not_of_its_files_is_damaged(tmp_path: Path, card: PreparedBase) -> None:
    change(tmp_path, fingerprint="0" * 16)
    with pytest.raises(BaseError, match="fingerprint"):
        load_prepared(tmp_path)


def test_a_base_of_another_format_is_refused(tmp_path: Path, card: PreparedBase) -> None:
    change(tmp_path, format_version=FORMAT_VERSION + 1)
    with pytest.raises(BaseError, match=f"format {FORMAT_VERSION + 1}"):
        load_prepared(tmp_path)


def test_a_base_whose_card_leaves_out_a_file_is_refused(tmp_path: Path, card: PreparedBase) -> None:
    files = {name: entry for name, entry in card.files.items() if name != "tekken.json"}
    save_prepared(tmp_path, card.model_copy(update={"files": files, "fingerprint": fingerprint(files)}))
    with pytest.raises(BaseError, match=r"tekken\.json"):
        load_prepared(tmp_path)


@pytest.mark.parametrize("place", ["nowhere", "config.json", "."], ids=["nothing", "file", "other-folder"])
def test_what_is_no_prepared_base_is_named(tmp_path: Path, card: PreparedBase, place: str) -> None:
    (tmp_path / CARD_FILE).unlink()
    with pytest.raises(BaseError) as refused:
        load_prepared(tmp_path / place)
    assert str(tmp_path / place) in refused.value.message


def test_nano_is_whole_and_lists_the_control_tokens_of_its_tokenizer(
    nano_base: Path, tokenizer: ChainTokenizer
) -> None:
    tokens = load_prepared(nano_base, whole=True).tokens
    assert tuple(tokens) == TOKEN_NAMES
    assert (tokens["<draft>"], tokens["<revise>"]) == (tokenizer.chain.draft, tokenizer.chain.decisions["revise"])
