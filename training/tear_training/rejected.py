"""What was turned down, and why: NAME.rejected.jsonl beside the rows."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tear_chain.errors import DataError
from tear_training.rows import REJECTED_SUFFIX, Row, Text


class Rejected(BaseModel):
    """A line of NAME.rejected.jsonl: what was turned down, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: Text
    date: datetime.date | None = None
    """When a person turned it down; absent where a filter did."""
    row: Row | None = None
    reply: str | None = None
    """What a model answered, where no row could be made of it."""


def rejected_file(file: Path) -> Path:
    """Where the rejected rows of `file` stand."""
    return file.with_name(file.stem + REJECTED_SUFFIX)


def load_rejected(path: Path) -> list[Rejected]:
    """Read rejected rows, none where there is no file; every fault of the file is in one `DataError`."""
    entries: list[Rejected] = []
    faults: list[str] = []
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                entries.append(Rejected.model_validate_json(line))
            except ValidationError as exc:
                faults += (f"{path}:{number} {fault}" for fault in explain_faults(exc, whole="line"))
    if faults:
        raise DataError("\n".join(faults))
    return entries


def write_rejected(path: Path, entries: Iterable[Rejected]) -> None:
    """Write rejected rows, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as file:
        file.writelines(entry.model_dump_json(exclude_none=True) + "\n" for entry in entries)
    partial.replace(path)


def explain_faults(exc: ValidationError, *, whole: str) -> list[str]:
    """What is wrong, one line for each field; `whole` names the thing where no field is at fault."""
    return [f"{'.'.join(map(str, fault['loc'])) or whole}: {fault['msg']}" for fault in exc.errors()]
