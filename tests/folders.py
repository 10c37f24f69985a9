"""Adapters on disk, an engine that takes them in, and a service over both: for unit tests of what is served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scripted import ScriptedEngine
from stories import BASE, MANIFEST, MODEL, REVISED, Story, play, service_over

from tear_chain.artifact import describe
from tear_chain.conversation import Conversation
from tear_chain.errors import EngineError
from tear_chain.manifest import CONFIG_FILE, WEIGHTS_FILE, Manifest, save_manifest
from tear_chain.tokenizer import ChainTokenizer
from tear_server.adapters import open_adapter
from tear_server.engine import AdapterFiles, Chunk, Finish, Generation, Sampling
from tear_server.inbox import Inbox
from tear_server.reflection import Plan, ReflectionRequest
from tear_server.registry import Line, Registry, twins
from tear_server.rollout import Rig, Rollout
from tear_server.service import Service

MUTE = "mute"
"""Weights that change nothing: the canary refuses them."""
BROKEN = "broken"
"""Weights that the engine does not load."""
ONE_BY_ONE = Sampling(presence_penalty=0.1)
"""Makes every stage a request of its own, so that a change between two stages would show."""


def write_adapter(folder: Path, weights: str = "weights", **changes: Any) -> Manifest:
    """Make an adapter for `BASE` in a folder; `changes` are the manifest's. Other weights are another version."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WEIGHTS_FILE).write_text(weights)
    (folder / CONFIG_FILE).write_text("{}")
    files = {name: describe(folder / name) for name in (WEIGHTS_FILE, CONFIG_FILE)}
    manifest = MANIFEST.model_copy(update={"files": files, **changes})
    save_manifest(folder, manifest)
    return manifest


class HostEngine(ScriptedEngine):
    """A scripted engine that generates with loaded adapters only, and tells a canary what they change."""

    def __init__(self, scripted: ScriptedEngine, *, max_rank: int = 16) -> None:
        super().__init__(scripted.scripts, leads_to=scripted.leads_to)
        self.max_rank = max_rank
        self.loaded: dict[str, str] = {}
        """Weights by the adapter's name."""
        self.loads: list[str] = []
        """What happened to loads, in turn."""

    async def generate(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
        if generation.adapter is not None and generation.adapter not in self.loaded:
            raise EngineError(f"{generation.adapter} is not loaded.")
        if generation.id.startswith("canary"):
            mute = generation.adapter is None or self.loaded[generation.adapter] == MUTE
            watched = dict.fromkeys(generation.watch, -5.0 if mute else -1.0)
            yield Chunk(tokens=(1,), watched=(watched,), cached_tokens=0, finish=Finish.LENGTH)
            return
        async for chunk in super().generate(generation):
            yield chunk

    async def load(self, files: AdapterFiles) -> None:
        self.loads.append("begin")
        await asyncio.sleep(0)
        weights = (files.folder / WEIGHTS_FILE).read_text()
        if weights == BROKEN or files.rank > self.max_rank:
            raise EngineError(f"The scripted engine does not load rank {files.rank} and {weights}.")
        self.loaded[files.name] = weights
        self.loads.append("end")

    async def unload(self, name: str) -> None:
        self.loaded.pop(name, None)


@dataclass(frozen=True)
class House:
    """A service whose adapters can be changed, and what is behind it."""

    engine: HostEngine
    service: Service
    rollout: Rollout
    folder: Path
    """Where adapters may be taken from: `first` is served, `second` and `third` are not."""
    copies: Path

    async def load(self, path: str, model: str = MODEL) -> Line:
        return await self.rollout.load(path, model=model, by="ops")

    def plan(self, number: int, model: str | None = None) -> Plan:
        served = self.service.look(model)
        request = ReflectionRequest(
            id=f"refl-{number}",
            model=served.model,
            adapter=served.adapter,
            conversation=Conversation.asking("Am I any good?"),
            sampling=ONE_BY_ONE,
        )
        return self.service.plan(request)

    def name(self, path: str) -> str:
        """The version that lies at a path."""
        return open_adapter(self.folder / path, BASE).name

    def told(self) -> dict[str, str]:
        """What the metrics say is served."""
        [family] = [each for each in self.service.metrics.registry.collect() if each.name == "tear_adapter_info"]
        return {sample.labels["model"]: sample.labels["adapter"] for sample in family.samples}


def build_house(tokenizer: ChainTokenizer, place: Path, *, story: Story = REVISED, capacity: int = 8) -> House:
    """A house at an empty place."""
    folder, copies = place / "adapters", place / "copies"
    copies.mkdir(parents=True)
    for name in ("first", "second", "third"):
        write_adapter(folder / name, name)
    engine = HostEngine(play(tokenizer, story))
    first = open_adapter(folder / "first", BASE)
    engine.loaded[first.name] = "first"
    registry, bare = Registry(MODEL, first), service_over(engine, tokenizer)
    bare.metrics.announce(models=twins(MODEL), adapter=first.name, base=BASE.fingerprint)
    rollout = Rollout(
        registry,
        Rig(BASE, tokenizer, engine, host=engine),
        inbox=Inbox(folder, copies),
        metrics=bare.metrics,
        capacity=capacity,
    )
    return House(engine, replace(bare, registry=registry, rollout=rollout), rollout, folder, copies)
