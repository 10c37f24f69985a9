"""Which adapter answers under which name, and what is still being answered by each.

Every change replaces one entry whole and nothing here awaits, so a look finds the state before a change or after it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakSet

from tear_chain.errors import InvalidRequest, RequestError, UnknownModel
from tear_server.adapters import Adapter

DIRECT_SUFFIX = "-direct"
MAX_NAME = 128

_VERSION = re.compile(r"witness-[0-9a-f]{12}")


class AdapterConflict(RequestError):
    """What is asked does not go with what is served."""

    code = "adapter_conflict"
    hint = "GET /v1/adapters lists what is loaded and served."


class AdapterBusy(RequestError):
    """Reflections still run with that version."""

    code = "adapter_busy"
    retryable = True
    hint = "Ask again when they have ended."


@dataclass(frozen=True, slots=True)
class Served:
    """What a name stood for when it was looked up; all of one request is made from one look."""

    model: str
    """As it was asked for: NAME, or NAME-direct."""
    adapter: str
    """The version, by its content-addressed name."""
    reflects: bool


@dataclass(frozen=True, slots=True)
class Line:
    """The versions of one model."""

    now: Adapter
    before: Adapter | None = None
    """What a rollback puts back."""


class Registry:
    """Models by name, versions by theirs; each model has a twin, NAME-direct, that answers without reflecting."""

    def __init__(self, default: str, adapter: Adapter) -> None:
        self.default = check_name(default)
        """The model of a request that names none."""
        self._versions = {adapter.name: adapter}
        self._lines = {default: Line(adapter)}
        self._work: dict[str, WeakSet[object]] = {}

    @property
    def models(self) -> tuple[str, ...]:
        """Every name that is served: the default model, its twin, then the others with theirs."""
        return tuple(name for model in self._lines for name in twins(model))

    @property
    def lines(self) -> Sequence[tuple[str, Line]]:
        """The reflective models with their versions."""
        return tuple(self._lines.items())

    @property
    def versions(self) -> Sequence[Adapter]:
        """Every version that is loaded, served or not."""
        return tuple(self._versions.values())

    def look(self, name: str | None) -> Served:
        """What is served under a name now, None being the default; `UnknownModel` for a name that is not served."""
        name = self.default if name is None else name
        model, reflects = (
            (name, True) if not name.endswith(DIRECT_SUFFIX) else (name.removesuffix(DIRECT_SUFFIX), False)
        )
        if model not in self._lines:
            raise UnknownModel(name)
        return Served(name, self._lines[model].now.name, reflects)

    def line(self, model: str) -> Line:
        """The versions of a reflective model; `UnknownModel` if there is none of that name."""
        if model not in self._lines:
            raise UnknownModel(model)
        return self._lines[model]

    def version(self, name: str) -> Adapter | None:
        """The loaded version of that name."""
        return self._versions.get(name)

    def serve(self, model: str, adapter: Adapter) -> Line:
        """Serve a version under a name from now on; the name's versions after that."""
        self._versions.setdefault(adapter.name, adapter)
        line = self._lines.get(check_name(model))
        if line is None:
            self._lines[model] = Line(adapter)
        elif line.now.name != adapter.name:
            self._lines[model] = Line(adapter, before=line.now)
        return self._lines[model]

    def stop(self, model: str) -> Adapter:
        """Serve a model no more; its version stays loaded. The default model is refused as `AdapterConflict`."""
        line = self.line(model)
        if model == self.default:
            raise AdapterConflict(f"{model} is this server's default model and is always served.")
        del self._lines[model]
        return line.now

    def forget(self, version: str) -> Adapter:
        """Take out a version that nothing stands on; `AdapterConflict` or `AdapterBusy` say what does."""
        adapter = self._versions.get(version)
        if adapter is None:
            raise UnknownModel(version)
        if serving := [model for model, line in self._lines.items() if line.now.name == version]:
            raise AdapterConflict(f"{version} is served as {', '.join(serving)}. Serve another version there first.")
        if count := self.in_flight(version):
            raise AdapterBusy(f"{version} is in use: {count} {'reflection runs' if count == 1 else 'reflections run'}.")
        for model, line in self._lines.items():
            if line.before is not None and line.before.name == version:
                self._lines[model] = Line(line.now)
        self._work.pop(version, None)
        return self._versions.pop(version)

    def hold(self, work: object, version: str) -> None:
        """Count `work` as using a version, until it is released or forgotten by everybody. Holding twice is once."""
        self._work.setdefault(version, WeakSet()).add(work)

    def release(self, work: object, version: str) -> None:
        """Count it no more."""
        self._work.get(version, WeakSet[object]()).discard(work)

    def in_flight(self, version: str) -> int:
        """How many reflections are planned or running with a version."""
        return len(self._work.get(version, ()))


def twins(model: str) -> tuple[str, str]:
    """The reflective name and the direct one."""
    return model, model + DIRECT_SUFFIX


def check_name(model: str) -> str:
    """The name of a model, or `InvalidRequest`: it stands in paths and labels, beside its twin's and the versions'."""
    if not model.strip() or not model.isprintable() or len(model) > MAX_NAME or model != model.strip():
        raise InvalidRequest(f"{model!r} is no name for a model: 1 to {MAX_NAME} printable characters.", param="model")
    if model.endswith(DIRECT_SUFFIX):
        raise InvalidRequest(
            f"{model} is no name for a model: {DIRECT_SUFFIX} is the ending of those that do not reflect.",
            param="model",
        )
    if _VERSION.fullmatch(model):
        raise InvalidRequest(f"{model} is no name for a model: adapters' versions are named so.", param="model")
    return model
