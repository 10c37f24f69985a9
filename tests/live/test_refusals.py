"""`tear serve` refuses what it cannot serve, in one sentence, and starts nothing half-way."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from live.conftest import TEAR, free_port
from safetensors.torch import load_file, save_file

from tear_chain.artifact import describe, read_card
from tear_chain.errors import AdapterError
from tear_chain.manifest import MANIFEST_FILE, WEIGHTS_FILE, Manifest, load_manifest, save_manifest


def test_canary_refuses_an_adapter_whose_keys_match_nothing(
    tmp_path: Path, nano_base: Path, nano_adapter: Path
) -> None:
    """vLLM loads such an adapter without a word and serves the bare base."""
    adapter = _copy(nano_adapter, tmp_path)
    tensors = load_file(adapter / WEIGHTS_FILE)
    save_file(
        {name.replace(".layers.", ".layers.9"): tensor for name, tensor in tensors.items()}, adapter / WEIGHTS_FILE
    )
    _sign(adapter)
    result = _serve(nano_base, adapter)
    assert result.returncode == 1
    assert f"The adapter in {adapter} changes nothing" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("damage", ["truncated", "no manifest", "other base"])
def test_damaged_adapter_is_named_before_the_engine_starts(
    damage: str, tmp_path: Path, nano_base: Path, nano_adapter: Path
) -> None:
    adapter = _copy(nano_adapter, tmp_path)
    match damage:
        case "truncated":
            weights = adapter / WEIGHTS_FILE
            weights.write_bytes(weights.read_bytes()[:-100])
            expected = f"{weights} is damaged"
        case "no manifest":
            (adapter / "manifest.json").unlink()
            expected = "it has no manifest.json"
        case _:
            manifest = load_manifest(adapter)
            save_manifest(adapter, manifest.model_copy(update={"base_fingerprint": "0" * 16}))
            expected = "was trained on base 0000000000000000"
    result = _serve(nano_base, adapter)
    assert result.returncode == 1
    assert expected in result.stderr
    assert "vllm" not in result.stderr.lower()


def _copy(adapter: Path, folder: Path) -> Path:
    return Path(shutil.copytree(adapter, folder / "adapter"))


def _sign(adapter: Path) -> None:
    """Make the manifest fit the changed weights, so that only the canary can tell."""
    card = read_card(adapter / MANIFEST_FILE, Manifest, AdapterError)
    files = {name: describe(adapter / name) for name in card.files}
    save_manifest(adapter, card.model_copy(update={"files": files}))


def _serve(base: Path, adapter: Path) -> subprocess.CompletedProcess[str]:
    command = [TEAR, "serve", "--base", str(base), "--adapter", str(adapter), "--port", str(free_port())]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
