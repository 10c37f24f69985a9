from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tear_chain.artifact import describe
from tear_chain.errors import AdapterError, AdapterMismatch, UnservedOrder
from tear_chain.format import FORMAT_VERSION, Order
from tear_chain.manifest import (
    CONFIG_FILE,
    DRAFT_WITNESS_REVISE,
    MANIFEST_FILE,
    WEIGHTS_FILE,
    DataSource,
    Manifest,
    PassRecord,
    check_fit,
    load_manifest,
    save_manifest,
)
from tear_chain.prepared import PreparedBase
from tear_chain.tokens import TOKEN_NAMES

BASE = PreparedBase(
    format_version=FORMAT_VERSION,
    name="tear-small",
    fingerprint="00112233445566aa",
    source="somewhere",
    license="Apache-2.0",
    context=2048,
    tokens={},
    set_rows=(),
    files={},
)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """A small adapter in `tmp_path`, with its manifest."""
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        (tmp_path / name).write_bytes(f"contents of {name}".encode())
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        name="small",
        order=DRAFT_WITNESS_REVISE,
        base_fingerprint=BASE.fingerprint,
        token_names=TOKEN_NAMES,
        rank=8,
        code_version="0.1.0",
        seed=7,
        passes=(PassRecord(name="warmth", steps=10, learning_rate=1e-3, lambda_start=0.3, lambda_end=0.5),),
        data=(DataSource(name="world", sha256="ab" * 32, rows=3, license="CC0-1.0", provenance="procedural"),),
        non_commercial=False,
        metrics={"accuracy": 0.75, "rows": 3},
        files={name: describe(tmp_path / name) for name in (WEIGHTS_FILE, CONFIG_FILE)},
    )
    save_manifest(tmp_path, manifest)
    return manifest


def change(folder: Path, **values: object) -> None:
    """Rewrite fields of the manifest on disk."""
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_manifest_comes_back_as_it_was_saved(tmp_path: Path, manifest: Manifest) -> None:
    assert load_manifest(tmp_path) == manifest


def test_the_version_is_the_address_of_the_contents(tmp_path: Path, manifest: Manifest) -> None:
    (tmp_path / WEIGHTS_FILE).write_bytes(b"other weights")
    files = {name: describe(tmp_path / name) for name in manifest.files}
    other = manifest.model_copy(update={"files": files})
    renamed = manifest.model_copy(update={"name": "renamed", "seed": 8})
    assert (len(manifest.version), renamed.version) == (12, manifest.version)
    assert other.version != manifest.version


@pytest.mark.parametrize("name", [WEIGHTS_FILE, CONFIG_FILE])
@pytest.mark.parametrize("damage", [None, b"cont", b"Contents of "], ids=["missing", "truncated", "changed"])
def test_a_damaged_file_is_named(tmp_path: Path, manifest: Manifest, name: str, damage: bytes | None) -> None:
    (tmp_path / name).unlink()
    if damage is not None:
        (tmp_path / name).write_bytes(damage if damage == b"cont" else damage + name.encode())
    with pytest.raises(AdapterError, match=name):
        load_manifest(tmp_path)


@pytest.mark.parametrize("name", [WEIGHTS_FILE, CONFIG_FILE])
def test_a_manifest_that_does_not_vouch_for_a_file_is_refused(tmp_path: Path, manifest: Manifest, name: str) -> None:
    save_manifest(
        tmp_path, manifest.model_copy(update={"files": {k: v for k, v in manifest.files.items() if k != name}})
    )
    with pytest.raises(AdapterError, match=name):
        load_manifest(tmp_path)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"name": "x"}'], ids=["empty", "cut", "list", "foreign"])
def test_a_corrupt_manifest_is_named(tmp_path: Path, manifest: Manifest, damage: str) -> None:
    (tmp_path / MANIFEST_FILE).write_text(damage)
    with pytest.raises(AdapterError, match=MANIFEST_FILE):
        load_manifest(tmp_path)


@pytest.mark.parametrize("listed", ["../outside", "/outside", "inner/file", "..", "."])
def test_a_manifest_lists_only_files_beside_it(tmp_path: Path, manifest: Manifest, listed: str) -> None:
    files = {**manifest.files, listed: manifest.files[WEIGHTS_FILE]}
    save_manifest(tmp_path, manifest.model_copy(update={"files": files}))
    with pytest.raises(AdapterError, match="not the name of a file beside it"):
        load_manifest(tmp_path)


def test_an_unknown_key_is_named(tmp_path: Path, manifest: Manifest) -> None:
    change(tmp_path, alpha=16)
    with pytest.raises(AdapterError, match="alpha"):
        load_manifest(tmp_path)


def test_a_figure_that_is_no_number_is_refused_when_the_manifest_is_made(manifest: Manifest) -> None:
    with pytest.raises(ValueError, match="finite"):
        Manifest.model_validate(manifest.model_dump() | {"metrics": {"loss": float("nan")}})


@pytest.mark.parametrize("place", ["nowhere", WEIGHTS_FILE, "."], ids=["nothing", "file", "plain-lora"])
def test_what_is_no_adapter_is_named(tmp_path: Path, manifest: Manifest, place: str) -> None:
    (tmp_path / MANIFEST_FILE).unlink()
    with pytest.raises(AdapterError) as refused:
        load_manifest(tmp_path / place)
    assert str(tmp_path / place) in refused.value.message


def test_an_adapter_made_for_this_base_fits(manifest: Manifest) -> None:
    check_fit(manifest, BASE)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"format_version": FORMAT_VERSION + 1}, f"format {FORMAT_VERSION + 1}"),
        ({"base_fingerprint": "ffff"}, "ffff"),
        ({"token_names": (*TOKEN_NAMES, "<doubt>")}, "<doubt>"),
        ({"token_names": TOKEN_NAMES[:-1]}, "<revise>"),
        ({"token_names": TOKEN_NAMES[::-1]}, "order"),
        ({"order": "witness_first"}, "witness_first"),
    ],
    ids=["format", "base", "more-tokens", "fewer-tokens", "token-order", "chain-order"],
)
def test_an_adapter_made_for_something_else_is_refused_naming_it(
    manifest: Manifest, changed: dict[str, Any], named: str
) -> None:
    with pytest.raises(AdapterMismatch, match=named):
        check_fit(manifest.model_copy(update=changed), BASE)


@pytest.mark.parametrize("order", [*(order for order in Order if order is not DRAFT_WITNESS_REVISE), "backwards"])
def test_an_order_that_is_not_served_is_refused_with_what_to_do(manifest: Manifest, order: str) -> None:
    with pytest.raises(UnservedOrder) as refused:
        check_fit(manifest.model_copy(update={"order": order}), BASE)
    assert refused.value.sentence() == (
        f"Adapter {manifest.name} learned the order {order}; the server runs draft_witness_revise. "
        "Train it again with `order: draft_witness_revise`."
    )
