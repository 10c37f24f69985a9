"""Adapters changed while real vLLM answers with them; a second version is nano's own with its LoRA turned down."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from live.conftest import LiveServer
from safetensors.torch import load_file, save_file

from tear_chain.artifact import describe
from tear_chain.manifest import WEIGHTS_FILE, load_manifest, save_manifest

QUESTION = {"messages": [{"role": "user", "content": "We buried my uncle on Friday. I can't go into his shed."}]}
STREAMS = 8


@dataclass(frozen=True)
class Versions:
    """By their names in the server."""

    first: str
    """Of the start."""
    second: str
    """In the server's folder of adapters as `second`."""


def scaled(adapter: Path, folder: Path, factor: float, **changes: Any) -> str:
    """Write a copy of an adapter whose every update is `factor` times as large; its version's name."""
    shutil.copytree(adapter, folder)
    tensors = load_file(folder / WEIGHTS_FILE)
    changed = {name: tensor * factor if ".lora_B." in name else tensor for name, tensor in tensors.items()}
    save_file(changed, folder / WEIGHTS_FILE, {"format": "pt"})
    manifest = load_manifest(adapter)
    files = {name: describe(folder / name) for name in manifest.files}
    manifest = manifest.model_copy(update={"files": files, **changes})
    save_manifest(folder, manifest)
    return f"witness-{manifest.version}"


@pytest.fixture
def versions(live: LiveServer, http: httpx.Client, nano_adapter: Path) -> Iterator[Versions]:
    """Two versions, the first one served; afterwards the server is as it was."""
    first = f"witness-{load_manifest(nano_adapter).version}"
    second = scaled(nano_adapter, live.adapters / "second", 0.9)
    assert served(http) == {"tear-nano": first, "tear-nano-direct": first}
    yield Versions(first, second)
    if served(http)["tear-nano"] != first:
        http.post("/v1/adapters/tear-nano/rollback").raise_for_status()
    for each in http.get("/v1/adapters").json()["data"]:
        if each["id"] != first:
            http.delete(f"/v1/adapters/{each['id']}").raise_for_status()
    shutil.rmtree(live.adapters / "second")


def served(http: httpx.Client) -> dict[str, str]:
    return {each["id"]: each["adapter"] for each in http.get("/v1/models").json()["data"]}


def load(http: httpx.Client, path: str, **more: str) -> httpx.Response:
    return http.post("/v1/adapters", json={"path": path, **more})


def test_no_stream_fails_or_mixes_versions_while_they_change(live: LiveServer, versions: Versions) -> None:
    seen = asyncio.run(_flip_under_load(live.url))
    # Both were really used, and by streams that ran while the other one was loaded or put back.
    assert set(seen) == {versions.first, versions.second}
    assert len(seen) >= 3 * STREAMS


async def _flip_under_load(url: str) -> list[str]:
    """The versions of all reflections that were streamed meanwhile."""
    async with httpx.AsyncClient(base_url=url, timeout=120) as http:
        changed = asyncio.Event()

        async def keep_asking(seed: int) -> list[str]:
            found = []
            while not changed.is_set() or not found:
                found += await _stream(http, seed)
            return found + await _stream(http, seed)

        streams = [asyncio.create_task(keep_asking(seed)) for seed in range(STREAMS)]
        async with asyncio.timeout(60):
            while not await _are_all_at_work(http):  # noqa: ASYNC110 - what is waited for is another process
                await asyncio.sleep(0.05)
        for change in ({"path": "second"}, None, None):
            where = "/v1/adapters" if change else "/v1/adapters/tear-nano/rollback"
            (await http.post(where, json=change)).raise_for_status()
            listed = (await http.get("/v1/adapters")).json()["data"]
            assert sum(each["in_flight"] for each in listed) > 0
        changed.set()
        return [version for found in await asyncio.gather(*streams) for version in found]


async def _are_all_at_work(http: httpx.AsyncClient) -> bool:
    listed = (await http.get("/v1/adapters")).json()["data"]
    return bool(listed[0]["in_flight"] >= STREAMS)


async def _stream(http: httpx.AsyncClient, seed: int) -> list[str]:
    """Two answers of one request: whole chains, of one version."""
    body = QUESTION | {"stream": True, "n": 2, "seed": seed}
    reflections: list[dict[str, Any]] = []
    fingerprints = set()
    async with http.stream("POST", "/v1/chat/completions", json=body) as reply:
        assert reply.status_code == 200, await reply.aread()
        async for line in reply.aiter_lines():
            if line.startswith("data: {"):
                chunk = json.loads(line.removeprefix("data: "))
                assert "error" not in chunk, chunk
                fingerprints.add(chunk["system_fingerprint"])
                reflections += [
                    choice["delta"]["reflection"] for choice in chunk["choices"] if "reflection" in choice["delta"]
                ]
    assert [reflection["status"] for reflection in reflections] == ["complete"] * 2
    assert {reflection["adapter"] for reflection in reflections} == fingerprints
    return [reflection["adapter"] for reflection in reflections]


def test_two_models_answer_side_by_side_and_one_goes_again(http: httpx.Client, versions: Versions) -> None:
    loaded = load(http, "second", model="nano-soft")
    assert loaded.json() == {
        "object": "model.adapter",
        "model": "nano-soft",
        "adapter": versions.second,
        "before": None,
    }
    assert served(http)["nano-soft-direct"] == versions.second
    body = QUESTION | {"draft": "Well. It was his time. You should sell the shed.", "temperature": 0}
    found = {
        model: http.post("/v1/reflections", json=body | {"model": model}).json()
        for model in served(http)
        if "direct" not in model
    }
    assert {model: each["adapter"] for model, each in found.items()} == {
        "tear-nano": versions.first,
        "nano-soft": versions.second,
    }
    weights = [each["expected_weight"] for each in found.values()]
    assert weights[0] != weights[1]
    assert http.delete("/v1/adapters/nano-soft").json()["deleted"] is True
    assert http.post("/v1/reflections", json=body | {"model": "nano-soft"}).status_code == 404
    page = http.get("/metrics").text
    assert f'adapter="{versions.second}"' not in page
    assert 'tear_reflections_total{model="nano-soft",outcome="revised"}' in page


def test_what_is_refused_leaves_what_is_served(
    live: LiveServer, http: httpx.Client, nano_adapter: Path, versions: Versions
) -> None:
    scaled(nano_adapter, live.adapters / "mute", 0.0)
    scaled(nano_adapter, live.adapters / "wide", 1.1, rank=64)
    for path, told in (("mute", "changes nothing"), ("wide", "rank"), ("../mute", "path"), ("none", "no folder")):
        refused = load(http, path)
        assert (refused.status_code, told in refused.json()["error"]["message"]) == (400, True), refused.text
    assert [each["id"] for each in http.get("/v1/adapters").json()["data"]] == [versions.first]
    assert served(http)["tear-nano"] == versions.first
    assert http.post("/v1/reflections", json=QUESTION).json()["status"] == "complete"
    for name in ("mute", "wide"):
        shutil.rmtree(live.adapters / name)
