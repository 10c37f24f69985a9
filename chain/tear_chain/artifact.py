"""JSON cards of artefacts on disk: strict reading, whole writing, file digests."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tear_chain.errors import ArtifactError

PICKLED = frozenset({".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth"})
"""Endings of files that run code when they are read."""


class Card(BaseModel):
    """A JSON file that describes an artefact; unknown keys are refused by name."""

    # JSON has no NaN: a figure that is none is refused when the card is made, not when it is read.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


CardT = TypeVar("CardT", bound=Card)


class FileEntry(Card):
    """A file of an artefact."""

    bytes: int
    sha256: str


def describe(path: Path) -> FileEntry:
    """Size and digest of a file, read in blocks."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(bytes=path.stat().st_size, sha256=digest)


def open_to_others(path: Path) -> None:
    """Give a file the mode that any new file has here: safetensors writes its own for nobody but their owner."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def check_files(folder: Path, files: Mapping[str, FileEntry], error: type[ArtifactError], *, whole: bool) -> None:
    """Raise `error` naming the first file that is missing or differs; contents are read only if `whole`."""
    for name, entry in files.items():
        path = folder / name
        if not path.is_file():
            raise error(f"{path} is missing.")
        if (size := path.stat().st_size) != entry.bytes:
            raise error(f"{path} is damaged: {size} bytes, expected {entry.bytes}.")
        try:
            is_damaged = whole and describe(path).sha256 != entry.sha256
        except OSError as exc:
            raise error(f"{path} cannot be read: {exc.strerror}.") from exc
        if is_damaged:
            raise error(f"{path} is damaged: its SHA-256 is not the one recorded when it was made.")


def fingerprint(files: Mapping[str, FileEntry]) -> str:
    """One digest over named files: sixteen hex digits of SHA-256."""
    listing = "".join(f"{name} {entry.sha256}\n" for name, entry in sorted(files.items()))
    return hashlib.sha256(listing.encode()).hexdigest()[:16]


def write_card(path: Path, card: Card) -> None:
    """Write a card as JSON, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    os.replace(partial, path)


def read_card(path: Path, kind: type[CardT], error: type[ArtifactError]) -> CardT:
    """Read a card; whatever is unknown, missing or mistyped in it raises `error`, all of it in one message."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise error(f"{path} cannot be read: {exc.strerror}.") from exc
    except ValidationError as exc:
        found = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg'].lower()}" for item in exc.errors()[:8]
        )
        raise error(f"{path} is not a {kind.__name__} card: {found}.") from exc
