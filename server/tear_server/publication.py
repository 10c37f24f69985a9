"""An adapter as it leaves this machine: whole, with its model card, and nothing else that lies in its folder."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tear_chain.errors import AdapterError
from tear_chain.manifest import EFFECTIVE_CONFIG, MANIFEST_FILE, MODEL_CARD_FILE, Manifest, load_manifest


@dataclass(frozen=True, slots=True)
class Publication:
    """An adapter that may leave: read byte by byte, with a card of its own."""

    folder: Path
    manifest: Manifest
    files: tuple[str, ...]
    """Weights and settings, card, effective configuration where it is there, and the manifest last."""


def read_publication(folder: Path) -> Publication:
    """The adapter in `folder`; raise `AdapterError` if it is damaged, or has no card that tells of this version."""
    manifest = load_manifest(folder)
    try:
        card = (folder / MODEL_CARD_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise AdapterError(f"{folder} has no readable {MODEL_CARD_FILE}, the model card that training writes.") from exc
    if manifest.version not in card:
        raise AdapterError(f"{folder / MODEL_CARD_FILE} tells of another adapter: it does not name {manifest.version}.")
    beside = [EFFECTIVE_CONFIG] if (folder / EFFECTIVE_CONFIG).is_file() else []
    return Publication(folder, manifest, (*manifest.files, MODEL_CARD_FILE, *beside, MANIFEST_FILE))


def copy_publication(adapter: Publication, out: Path) -> None:
    """Write the adapter to `out`, which holds nothing yet; it is whole or not there."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise AdapterError(f"{out} is there already. Name another folder.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as work:
        whole = Path(work) / "whole"
        whole.mkdir()
        for name in adapter.files:
            shutil.copyfile(adapter.folder / name, whole / name)
        if out.is_dir():
            out.rmdir()
        whole.rename(out)
