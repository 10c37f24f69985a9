"""Events as JSON: the typed stream of `POST /v1/reflections`, one table for the server and its clients.

event: text.delta
data: {"stage": "draft", "field": null, "text": "A month"}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from tear_chain.events import Completed, Event, Failed, StageCompleted, StageStarted, TextDelta, Witnessed
from tear_chain.words import Reflection

EVENT_NAMES: Mapping[type[Event], str] = {
    StageStarted: "stage.started",
    TextDelta: "text.delta",
    StageCompleted: "stage.completed",
    Witnessed: "reflection.witnessed",
    Completed: "reflection.completed",
    Failed: "reflection.failed",
}

_ADAPTERS: Mapping[str, TypeAdapter[Event]] = {name: TypeAdapter(kind) for kind, name in EVENT_NAMES.items()}
_REFLECTION = TypeAdapter(Reflection)


def dump_event(event: Event) -> tuple[str, bytes]:
    """The event's name and its JSON."""
    name = EVENT_NAMES[type(event)]
    return name, _ADAPTERS[name].dump_json(event, exclude={"scored"} if isinstance(event, TextDelta) else None)


def load_event(name: str, data: str | bytes) -> Event | None:
    """The event of that name, or None for one that this version does not know.

    Raises `ValueError` (pydantic's `ValidationError`) where the data does not fit the name.
    """
    adapter = _ADAPTERS.get(name)
    return None if adapter is None else adapter.validate_json(data)


def dump_reflection(reflection: Reflection) -> dict[str, Any]:
    """The reflection as the JSON object of the API."""
    dumped: dict[str, Any] = _REFLECTION.dump_python(reflection, mode="json")
    return dumped


def load_reflection(data: str | bytes) -> Reflection:
    """A reflection from the API's JSON object; keys that this version does not know are ignored."""
    return _REFLECTION.validate_json(data)
