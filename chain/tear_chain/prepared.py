"""A prepared base: a text-only checkpoint whose tokenizer and rows know the chain's control tokens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tear_chain.artifact import Card, FileEntry, check_files, fingerprint, read_card, write_card
from tear_chain.errors import BaseError
from tear_chain.format import FORMAT_VERSION

CARD_FILE = "tear_base.json"
REQUIRED_FILES = ("config.json", "tekken.json")
"""Beside the weights, whose files have other names when they are sharded."""
WHOLE_CHECK_BYTES = 256 * 1024 * 1024
"""Up to this many bytes a base is read and compared digest by digest at load; above, by sizes alone."""


class PreparedBase(Card):
    """What `tear base prepare` writes last, as `tear_base.json`: its presence means that the base is whole."""

    format_version: int
    name: str
    """Served model name when nothing else is said, such as `tear-nano`."""
    fingerprint: str
    """Digest over `files`; an adapter fits exactly the base whose fingerprint it carries."""
    source: str
    """Where the checkpoint came from: a hub id or the name of a local folder."""
    revision: str | None = None
    """The hub's commit that was fetched; None for a local folder."""
    license: str
    context: int
    """Positions that training and serving may use; beyond, transformers and vLLM scale this architecture apart."""
    tokens: Mapping[str, int]
    """Control-token names to ids, for people; code looks the ids up in `tekken.json`."""
    set_rows: tuple[str, ...]
    """Control tokens whose embedding rows were set here, since the checkpoint had never trained them."""
    files: Mapping[str, FileEntry]
    """`config.json`, `tekken.json` and the weights."""


def save_prepared(folder: Path, card: PreparedBase) -> None:
    """Write the card; do it last."""
    write_card(folder / CARD_FILE, card)


def load_prepared(folder: Path, *, whole: bool | None = None) -> PreparedBase:
    """Read and check a prepared base; raise `BaseError` naming what is missing or damaged.

    `whole` forces reading all bytes (True) or sizes only (False); None reads all bytes of a small base.
    """
    if not folder.is_dir():
        raise BaseError(f"{folder} is not a folder.")
    if not (folder / CARD_FILE).is_file():
        raise BaseError(f"{folder} is not a prepared base: it has no {CARD_FILE}.")
    card = read_card(folder / CARD_FILE, PreparedBase, BaseError)
    if card.format_version != FORMAT_VERSION:
        raise BaseError(f"{folder} has chain format {card.format_version}; this version reads {FORMAT_VERSION}.")
    if card.fingerprint != fingerprint(card.files):
        raise BaseError(f"{folder / CARD_FILE} is damaged: its fingerprint does not fit its files.")
    for name in REQUIRED_FILES:
        if name not in card.files:
            raise BaseError(f"{folder / CARD_FILE} does not list {name}.")
    small = sum(entry.bytes for entry in card.files.values()) <= WHOLE_CHECK_BYTES
    check_files(folder, card.files, BaseError, whole=small if whole is None else whole)
    return card
