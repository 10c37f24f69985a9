"""Server-sent events read as the WHATWG's specification has it (HTML, section 9.2), from bytes."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

DONE = "[DONE]"


@dataclass(frozen=True)
class ServerEvent:
    """One dispatched event."""

    name: str
    """`message` where the server gave none."""
    data: str

    def json(self) -> Any:
        return json.loads(self.data)


@dataclass
class EventReader:
    """Takes bytes as they come, cut anywhere, and dispatches events at blank lines."""

    fields: list[str] = field(default_factory=list)
    """The name of every field that came, comments as the empty string."""
    _decoder: codecs.IncrementalDecoder = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8-sig")())
    _pending: str = ""
    _name: str = ""
    _data: list[str] = field(default_factory=list)

    def feed(self, part: bytes) -> list[ServerEvent]:
        self._pending += self._decoder.decode(part)
        # A carriage return at the end may be half of a line end.
        *lines, self._pending = re.split(r"\r\n|\n|\r(?!$)", self._pending)
        return [event for line in lines for event in self._take(line)]

    @property
    def is_between_events(self) -> bool:
        return not (self._pending or self._data or self._name or self._decoder.getstate()[0])

    def _take(self, line: str) -> Iterable[ServerEvent]:
        if not line:
            name, data = self._name or "message", self._data
            self._name, self._data = "", []
            if data:
                yield ServerEvent(name, "\n".join(data))
            return
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        self.fields.append(name)
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value


@dataclass(frozen=True)
class Stream:
    """A streamed reply as it came over the wire."""

    status: int
    headers: dict[str, str]
    parts: tuple[bytes, ...]
    """As the network delivered them."""

    @property
    def raw(self) -> bytes:
        return b"".join(self.parts)

    def events(self) -> list[ServerEvent]:
        return EventReader().feed(self.raw)

    def chunks(self) -> list[Any]:
        """The JSON of a chat stream, without `[DONE]`."""
        return [event.json() for event in self.events() if event.data != DONE]


def deltas(chunks: Iterable[Any], *, index: int = 0) -> list[dict[str, Any]]:
    """The deltas of one choice."""
    return [choice["delta"] for choice in choices(chunks) if choice["index"] == index]


def choices(chunks: Iterable[Any]) -> list[dict[str, Any]]:
    return [choice for chunk in chunks for choice in chunk["choices"]]
