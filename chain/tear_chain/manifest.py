"""The manifest of an adapter: what it was trained on and for, and whether it fits the base at hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tear_chain.artifact import Card, FileEntry, check_files, fingerprint, read_card, write_card
from tear_chain.errors import AdapterError, AdapterMismatch, UnservedOrder
from tear_chain.format import FORMAT_VERSION, Order
from tear_chain.prepared import PreparedBase
from tear_chain.tokens import TOKEN_NAMES

MANIFEST_FILE = "manifest.json"
WEIGHTS_FILE = "adapter_model.safetensors"
CONFIG_FILE = "adapter_config.json"
DRAFT_WITNESS_REVISE = Order.DRAFT_WITNESS_REVISE
"""The order that the server runs."""
MODEL_CARD_FILE = "README.md"
EFFECTIVE_CONFIG = "training.yaml"


class DataSource(Card):
    """One source of training rows."""

    name: str
    sha256: str
    """Digest of the rows as they were read."""
    rows: int
    license: str
    provenance: str
    """Who or what wrote it: curated, generated, literary, narrative or procedural."""


class PassRecord(Card):
    """One pass of the training: its name and what it did."""

    name: str
    steps: int
    learning_rate: float
    lambda_start: float
    lambda_end: float
    kept_step: int | None = None
    """The step whose weights the pass ended with, where the best were kept; else they are its last."""
    kept_nll_consequence: float | None = None
    """The held-out consequence loss of that step, for which it was kept."""


class Manifest(Card):
    """What crosses from training to serving beside the weights. Written last: its presence means all is whole."""

    format_version: int
    name: str
    order: str
    """The order of the chain that was learned, one of `Order`; a later version may know more of them."""
    base_fingerprint: str
    token_names: tuple[str, ...]
    rank: int
    code_version: str
    seed: int
    passes: tuple[PassRecord, ...]
    data: tuple[DataSource, ...]
    non_commercial: bool
    """Whether any source forbids commercial use."""
    metrics: Mapping[str, float]
    """Held-out figures by name, as measured when the adapter was made."""
    files: Mapping[str, FileEntry]

    @property
    def version(self) -> str:
        """Content address of the adapter."""
        return fingerprint(self.files)[:12]


def save_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest; do it last."""
    write_card(folder / MANIFEST_FILE, manifest)


def load_manifest(folder: Path) -> Manifest:
    """Read an adapter's manifest and check its files; raise `AdapterError` naming what is missing or damaged."""
    if not folder.is_dir():
        raise AdapterError(f"{folder} is not a folder.")
    if not (folder / MANIFEST_FILE).is_file():
        raise AdapterError(f"{folder} is not an adapter of The Tear: it has no {MANIFEST_FILE}.")
    manifest = read_card(folder / MANIFEST_FILE, Manifest, AdapterError)
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        if name not in manifest.files:
            raise AdapterError(f"{folder / MANIFEST_FILE} does not list {name}.")
    for name in manifest.files:
        if Path(name).name != name or name == "..":
            raise AdapterError(f"{folder / MANIFEST_FILE} lists {name}, which is not the name of a file beside it.")
    check_files(folder, manifest.files, AdapterError, whole=True)
    return manifest


def check_fit(manifest: Manifest, base: PreparedBase) -> None:
    """Raise `AdapterMismatch` unless the adapter was made for this base, format and order."""
    wrong = AdapterMismatch
    if manifest.format_version != FORMAT_VERSION:
        raise wrong(f"Adapter {manifest.name} has chain format {manifest.format_version}; this is {FORMAT_VERSION}.")
    if manifest.base_fingerprint != base.fingerprint:
        raise wrong(
            f"Adapter {manifest.name} was trained on base {manifest.base_fingerprint}; "
            f"{base.name} is {base.fingerprint}."
        )
    if manifest.token_names != TOKEN_NAMES:
        odd = sorted(set(manifest.token_names) ^ set(TOKEN_NAMES))
        names = ", ".join(odd) or "their order"
        raise wrong(f"Adapter {manifest.name} was trained with other control tokens: {names}.")
    if manifest.order != DRAFT_WITNESS_REVISE:
        raise UnservedOrder(
            f"Adapter {manifest.name} learned the order {manifest.order}; the server runs {DRAFT_WITNESS_REVISE}."
        )
