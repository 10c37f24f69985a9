"""Adapters changed while the server runs: taken in, loaded, heard, and only then served; one change at a time."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tear_chain.errors import AdapterError, EngineDead, EngineError, RequestError, TearError
from tear_chain.prepared import PreparedBase
from tear_chain.tokenizer import ChainTokenizer
from tear_server.adapters import Adapter, open_adapter, sing_canary
from tear_server.engine import AdapterFiles, AdapterHost, Engine
from tear_server.inbox import Inbox
from tear_server.logs import with_fields
from tear_server.metrics import Metrics
from tear_server.registry import AdapterConflict, Line, Registry, check_name, twins

_log = logging.getLogger("tear.adapters")


class AdaptersOff(RequestError):
    """This server takes no adapters while it runs."""

    code = "adapters_off"
    hint = "Ask its operator to start it with --adapters-dir, and without --merge."


@dataclass(frozen=True, slots=True)
class Rig:
    """What adapters are loaded into and heard on."""

    base: PreparedBase
    tokenizer: ChainTokenizer
    engine: Engine
    host: AdapterHost

    async def load(self, adapter: Adapter, *, shown: Path) -> None:
        """Load an adapter and hear that it changes something; `AdapterError` if not, and then it is not loaded."""
        try:
            await self.host.load(AdapterFiles(adapter.name, adapter.folder, adapter.manifest.rank))
        except EngineDead:
            raise
        except EngineError as exc:
            raise AdapterError(f"The engine does not take {shown}: {exc.sentence()}") from exc
        try:
            await sing_canary(self.engine, self.tokenizer, replace(adapter, folder=shown))
        except BaseException:
            await self.host.unload(adapter.name)
            raise


class Rollout:
    """Changes what a registry serves. A change that fails leaves everything as it was."""

    def __init__(self, registry: Registry, rig: Rig, *, inbox: Inbox, metrics: Metrics, capacity: int) -> None:
        self._registry = registry
        self._rig = rig
        self._inbox = inbox
        self._metrics = metrics
        self._capacity = capacity
        """How many versions may be loaded at once."""
        self._turn = asyncio.Lock()

    async def load(self, path: str, *, model: str, by: str | None) -> Line:
        """Serve the adapter at `path` in the inbox as `model`, a new one or not; that model's versions now.

        `by` is who asked for it. Raises `RequestError` or `AdapterError`, and `EngineError` where the engine failed.
        """
        async with self._turn:
            with _audit("load", model, path=path, by=by):
                check_name(model)
                adapter = await asyncio.to_thread(self._inbox.take, path, self._rig.base)
                known = self._registry.version(adapter.name)
                if known is None:
                    await self._take_in(adapter, shown=Path(path))
                elif known.folder != adapter.folder:
                    self._inbox.discard(adapter)
                return self._serve(model, known or adapter, by=by)

    async def roll_back(self, model: str, *, by: str | None) -> Line:
        """Serve the version before again; the one that was served is then the one before."""
        async with self._turn:
            with _audit("rollback", model, by=by):
                before = self._registry.line(model).before
                if before is None:
                    raise AdapterConflict(f"{model} has no version before this one, or it was unloaded.")
                # Still in the engine, which would read its files anew after a restart.
                if (await asyncio.to_thread(open_adapter, before.folder, self._rig.base)).name != before.name:
                    raise AdapterError(f"{before.folder} no longer holds {before.name}.")
                return self._serve(model, before, by=by)

    async def remove(self, name: str, *, by: str | None) -> Literal["model", "adapter"]:
        """Stop serving the model of that name, or unload the version of that name; which of the two it was."""
        async with self._turn:
            with _audit("removal", name, by=by):
                if self._registry.version(name) is None:
                    version = self._registry.stop(name).name
                    for each in twins(name):
                        self._metrics.withdraw(each)
                    _log.info("%(model)s is served no more", {"model": name}, extra=with_fields(adapter=version, by=by))
                    return "model"
                # Forgotten first: from here on nothing can be planned with it.
                adapter = self._registry.forget(name)
                await self._rig.host.unload(name)
                self._inbox.discard(adapter)
                _log.info("%(adapter)s is unloaded", {"adapter": name}, extra=with_fields(by=by))
                return "adapter"

    async def _take_in(self, adapter: Adapter, *, shown: Path) -> None:
        try:
            if len(self._registry.versions) >= self._capacity:
                raise AdapterConflict(
                    f"{self._capacity} adapters are loaded, as many as this server holds (--max-adapters). Unload one "
                    "with DELETE /v1/adapters/VERSION."
                )
            await self._rig.load(adapter, shown=shown)
        except BaseException:
            self._inbox.discard(adapter)
            raise

    def _serve(self, model: str, adapter: Adapter, *, by: str | None) -> Line:
        line = self._registry.serve(model, adapter)
        base = self._rig.base.fingerprint
        self._metrics.announce(models=twins(model), adapter=adapter.name, base=base, cas=adapter.cas)
        told = {"adapter": adapter.name, "model": model}
        before = None if line.before is None else line.before.name
        _log.info("%(adapter)s is served as %(model)s", told, extra=with_fields(before=before, by=by))
        return line


@asynccontextmanager
async def open_rollout(
    folder: Path, registry: Registry, rig: Rig, *, metrics: Metrics, capacity: int
) -> AsyncIterator[Rollout]:
    """A rollout of adapters from `folder`; the copies that it makes are deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="tear-adapters-") as copies:
        yield Rollout(registry, rig, inbox=Inbox(folder, Path(copies)), metrics=metrics, capacity=capacity)


@contextmanager
def _audit(change: str, name: str, *, by: str | None, path: str | None = None) -> Iterator[None]:
    """Log a change that was refused or failed; one that succeeds says so itself."""
    try:
        yield
    except TearError as error:
        # What was asked for may be anything: quoted, it stays on its line.
        asked = {"name": repr(name), "path": path and repr(path), "why": repr(error.message)}
        fields = with_fields(**asked, code=error.code, by=by)
        _log.warning("A %(change)s was refused", {"change": change}, extra=fields)
        raise
