"""What is served at the start: the base, and the models with the adapters that they answer with."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tear_chain.errors import InvalidRequest
from tear_chain.prepared import PreparedBase, load_prepared
from tear_server.adapters import Adapter, open_adapter
from tear_server.merge import merge_adapter, merged_adapter
from tear_server.registry import Registry
from tear_server.settings import ServerSettings

MAX_ADAPTERS = 8
"""Held at once where they may be loaded at run time and the operator says nothing else."""


@dataclass(frozen=True, slots=True)
class Lineup:
    """Folders that were read and checked; nothing of it is loaded yet."""

    base: PreparedBase
    adapters: Mapping[str, Adapter]
    """By the names of models, the default one first."""
    is_merged: bool = False
    """Whether the engine reads the one adapter as a part of the base's own weights."""
    capacity: int = 1
    """How many adapters the engine is to hold."""
    max_rank: int | None = None

    @property
    def default(self) -> str:
        """The model of a request that names none."""
        return next(iter(self.adapters))

    @property
    def versions(self) -> Sequence[Adapter]:
        """What is to be loaded into the engine: each version once, the default model's first."""
        if self.is_merged:
            return ()
        return tuple({adapter.name: adapter for adapter in self.adapters.values()}.values())

    def registry(self) -> Registry:
        """The registry as it is at the start."""
        registry = Registry(self.default, self.adapters[self.default])
        for model, adapter in self.adapters.items():
            registry.serve(model, adapter)
        return registry


def read_lineup(settings: ServerSettings) -> Lineup:
    """Read and check what the settings name.

    Raises `InvalidRequest` for settings that do not go together, `ArtifactError` for a folder that cannot be used.
    """
    base = load_prepared(settings.base)
    name = settings.name or base.name
    if _merges(settings):
        _refuse_beside_a_merge(settings)
        if settings.adapter is None:
            raise InvalidRequest("There is nothing to merge: --adapter is missing.", param="adapter")
        return Lineup(base, {name: open_adapter(settings.adapter, base)}, is_merged=True)
    if settings.adapter is None:
        merged = merged_adapter(settings.base, base)
        if merged is None:
            raise InvalidRequest(
                "--adapter (or TEAR_ADAPTER) is missing, and no adapter was merged into the base.", param="adapter"
            )
        _refuse_beside_a_merge(settings)
        return Lineup(base, {name: merged}, is_merged=True)
    if name in settings.models:
        raise InvalidRequest(f"--models names {name}, which --adapter serves already.", param="models")
    folders = {name: settings.adapter, **settings.models}
    adapters = {model: open_adapter(folder, base) for model, folder in folders.items()}
    ranks = [adapter.manifest.rank for adapter in adapters.values()]
    return Lineup(base, adapters, capacity=_capacity(settings, adapters), max_rank=_max_rank(settings, max(ranks)))


@asynccontextmanager
async def base_folder(lineup: Lineup, settings: ServerSettings) -> AsyncIterator[Path]:
    """The folder that the engine reads: the base's, or one that is made of base and adapter here.

    One that nobody asked to keep is deleted at the end, not sooner: an engine that is restarted reads it again.
    """
    if not _merges(settings) or settings.adapter is None:
        yield settings.base
        return
    with tempfile.TemporaryDirectory(prefix="tear-merged-") as temporary:
        folder = settings.merge_into or Path(temporary) / "base"
        await asyncio.to_thread(merge_adapter, settings.base, settings.adapter, folder)
        yield folder


def _merges(settings: ServerSettings) -> bool:
    return settings.merge or settings.merge_into is not None


def _refuse_beside_a_merge(settings: ServerSettings) -> None:
    given = {"--models": settings.models, "--adapters-dir": settings.adapters_dir}
    if odd := [flag for flag, value in given.items() if value]:
        raise InvalidRequest(
            f"A merged base serves the one adapter that is in it: leave out {' and '.join(odd)}.", param="merge"
        )


def _capacity(settings: ServerSettings, adapters: Mapping[str, Adapter]) -> int:
    folder, count = settings.adapters_dir, len({adapter.name for adapter in adapters.values()})
    if folder is not None and not folder.is_dir():
        raise InvalidRequest(f"--adapters-dir names {folder}, which is not a folder.", param="adapters_dir")
    if settings.max_adapters is None:
        return count if folder is None else max(MAX_ADAPTERS, count + 1)
    if settings.max_adapters < count:
        raise InvalidRequest(
            f"--max-adapters is {settings.max_adapters}, and {count} are to be served.", param="max_adapters"
        )
    return settings.max_adapters


def _max_rank(settings: ServerSettings, largest: int) -> int:
    if settings.max_lora_rank is not None and settings.max_lora_rank < largest:
        raise InvalidRequest(
            f"--max-lora-rank is {settings.max_lora_rank}, and an adapter to be served has rank {largest}.",
            param="max_lora_rank",
        )
    return settings.max_lora_rank or largest
