"""Versions of an adapter that differ and fit the same base."""

from __future__ import annotations

import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file

from tear_chain.artifact import describe
from tear_chain.manifest import MANIFEST_FILE, WEIGHTS_FILE, load_manifest, save_manifest


def second_version(adapter: Path, folder: Path, *, scale: float = 0.9) -> Path:
    """A copy of `adapter` whose every effect is `scale` times as strong, with a manifest that fits."""
    manifest = load_manifest(adapter)
    shutil.copytree(adapter, folder, ignore=shutil.ignore_patterns(MANIFEST_FILE))
    tensors = load_file(adapter / WEIGHTS_FILE)
    scaled = {name: tensor * scale if "lora_B" in name else tensor for name, tensor in tensors.items()}
    save_file(scaled, folder / WEIGHTS_FILE)
    files = {name: describe(folder / name) for name in manifest.files}
    save_manifest(folder, manifest.model_copy(update={"files": files}))
    return folder
