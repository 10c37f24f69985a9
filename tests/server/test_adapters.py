from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

import pytest
from stories import BASE, MANIFEST

from tear_chain.artifact import describe
from tear_chain.errors import AdapterError, AdapterMismatch
from tear_chain.manifest import CONFIG_FILE, MANIFEST_FILE, WEIGHTS_FILE, save_manifest
from tear_chain.tokenizer import ChainTokenizer
from tear_server.adapters import CANARY_NATS, Adapter, open_adapter, sing_canary
from tear_server.engine import Chunk, Finish, Generation


class TwoVoices:
    """An engine whose adapter moves the log-probabilities of some ids."""

    def __init__(self, moves: Mapping[int, float]) -> None:
        self.moves = moves
        self.asked: list[Generation] = []

    async def generate(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
        self.asked.append(generation)
        moves = self.moves if generation.adapter is not None else {}
        watched = {token: -5.0 + moves.get(token, 0.0) for token in generation.watch}
        yield Chunk(tokens=(1,), watched=(watched,), cached_tokens=0, finish=Finish.LENGTH)

    async def health(self) -> None:
        return


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An adapter made for `BASE`."""
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        (tmp_path / name).write_bytes(f"contents of {name}".encode())
    files = {name: describe(tmp_path / name) for name in (WEIGHTS_FILE, CONFIG_FILE)}
    save_manifest(tmp_path, MANIFEST.model_copy(update={"files": files}))
    return tmp_path


def test_an_adapter_that_fits_is_named_by_its_contents(folder: Path) -> None:
    adapter = open_adapter(folder, BASE)
    assert adapter.name == f"witness-{adapter.manifest.version}"


def test_an_adapter_for_another_base_is_refused(folder: Path) -> None:
    with pytest.raises(AdapterMismatch, match="ffff"):
        open_adapter(folder, BASE.model_copy(update={"fingerprint": "ffff"}))


def test_a_damaged_adapter_is_refused_naming_the_file(folder: Path) -> None:
    (folder / WEIGHTS_FILE).write_bytes(b"cut")
    with pytest.raises(AdapterError, match=WEIGHTS_FILE):
        open_adapter(folder, BASE)


def test_a_plain_lora_without_a_manifest_is_refused(folder: Path) -> None:
    (folder / MANIFEST_FILE).unlink()
    (folder / CONFIG_FILE).write_text(json.dumps({"peft_type": "LORA"}))
    with pytest.raises(AdapterError, match=MANIFEST_FILE):
        open_adapter(folder, BASE)


@pytest.mark.parametrize("move", [0.5, -0.5, 2 * CANARY_NATS], ids=["up", "down", "a-little"])
async def test_an_adapter_that_moves_one_control_token_passes(tokenizer: ChainTokenizer, move: float) -> None:
    impact = list(tokenizer.chain.fields.values())[1]
    await sing_canary(TwoVoices({impact: move}), tokenizer, Adapter(Path("a"), MANIFEST))


@pytest.mark.parametrize("move", [0.0, CANARY_NATS / 2, float("nan")], ids=["nothing", "noise", "no-number"])
async def test_an_adapter_that_changes_nothing_is_refused_naming_its_folder(
    tokenizer: ChainTokenizer, move: float
) -> None:
    engine = TwoVoices(dict.fromkeys(tokenizer.chain.fields.values(), move))
    with pytest.raises(AdapterError, match="some/folder"):
        await sing_canary(engine, tokenizer, Adapter(Path("some/folder"), MANIFEST))


async def test_the_canary_asks_base_and_adapter_the_same(tokenizer: ChainTokenizer) -> None:
    engine, adapter = (
        TwoVoices({tokenizer.chain.fields[next(iter(tokenizer.chain.fields))]: 1.0}),
        Adapter(Path("a"), MANIFEST),
    )
    await sing_canary(engine, tokenizer, adapter)
    bare, adapted = engine.asked
    assert (bare.adapter, adapted.adapter) == (None, adapter.name)
    assert (bare.prompt, bare.watch, bare.sampling) == (adapted.prompt, adapted.watch, adapted.sampling)
    assert bare.id != adapted.id
