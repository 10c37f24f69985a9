"""The log that a server writes, as JSON, for tests to read."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tear_server.logs import LogFormat, LogLevel, set_up_logs


class Written:
    """What was written until now."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    def lines(self, logger: str = "") -> list[dict[str, Any]]:
        """The lines of that logger, or all of them."""
        told = [json.loads(line) for line in self.text.splitlines()]
        return [line for line in told if logger in ("", line["logger"])]

    def requests(self) -> list[dict[str, Any]]:
        return self.lines("tear.request")


@contextmanager
def written(log_format: LogFormat = "json", *, level: LogLevel = "debug") -> Iterator[Written]:
    """Logs set up as the server does it, and as they were before at the end."""
    root, ours = logging.getLogger(), logging.getLogger("tear")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    root.handlers.clear()  # those of pytest are not to be closed
    stream = io.StringIO()
    set_up_logs(level, log_format=log_format, stream=stream)
    try:
        yield Written(stream)
    finally:
        root.handlers[:] = handlers
        root.setLevel(levels[0])
        ours.setLevel(levels[1])
