"""What the server writes to stderr: a line for each record, as text or JSON, with the id of its request."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TextIO

from tear_server.call import current_call

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
VLLM_JSON_LOGS = Path(__file__).with_name("vllm_json_logs.json")
"""Makes vLLM write `JsonLines`, too; its core, a process of its own, reads this file for itself."""
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def set_up_logs(level: LogLevel, *, log_format: LogFormat, stream: TextIO | None = None) -> None:
    """Send every record of this process to `stream`, stderr if not given: ours from `level` on, others' warnings."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("tear").setLevel(level.upper())


def with_fields(**fields: str | float | None) -> Mapping[str, Any]:
    """`extra` for a record: fields that stand after its message; None is left out."""
    return {"fields": {name: value for name, value in fields.items() if value is not None}}


class _Lines(logging.Formatter):
    """What both formats share: a request's tracebacks do not say what an exception said."""

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802 - logging's own name
        # An exception's words may repeat what a person wrote, so within a request only its kind and place are told.
        if current_call() is None or ei[1] is None:
            return super().formatException(ei)
        return "\n".join(part.rstrip("\n") for error in _chain(ei[1]) for part in _told_without_words(error))


class TextLines(_Lines):
    """For people: time, level, logger, message, fields."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """The line; a traceback follows it."""
        fields = (f"{name}={value}" for name, value in _fields(record).items())
        return " ".join([super().formatMessage(record), *fields])


class JsonLines(_Lines):
    """For machines: one JSON object on one line, tracebacks in it."""

    def format(self, record: logging.LogRecord) -> str:
        """`time`, `level`, `logger`, `message`, what the message names, fields, `traceback`."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **(record.args if isinstance(record.args, Mapping) else {}),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    call = current_call()
    fields: Mapping[str, Any] = getattr(record, "fields", {})
    return fields if call is None else {**fields, "request_id": call.id}


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception after what led to it, as Python tells it."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        seen.append(cause)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return reversed(seen)


def _told_without_words(error: BaseException) -> list[str]:
    kind = type(error)
    places = traceback.format_tb(error.__traceback__)
    return ["Traceback (most recent call last):", *places, f"{kind.__module__}.{kind.__qualname__}"]
