"""Reading foreign files piece by piece, within bounds; what cannot be read becomes a fault of the tally."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from tear_training.importers.tally import Tally
from tear_training.importers.texts import Mending
from tear_training.rows import MAX_LINE_BYTES

MAX_ARRAY_BYTES = 64 << 20
"""A JSON array is parsed as one piece, so its file must fit into memory several times."""

_BOM = b"\xef\xbb\xbf"


class Foreign(BaseModel):
    """An entry of a foreign file. Types are strict; columns that it does not name are left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


EntryT = TypeVar("EntryT", bound=Foreign)


@dataclass(frozen=True, slots=True)
class Placed(Generic[EntryT]):
    """An entry with the place where it stands: `file:line`, or `file[index]` in a JSON array."""

    where: str
    entry: EntryT


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank, without its end."""

    where: str
    raw: bytes


def read_entries(kind: type[EntryT], tally: Tally) -> Iterator[Placed[EntryT]]:
    """The objects of a JSON array or of JSONL, whichever the file holds, as `kind`."""
    for where, value in _read_values(tally):
        mending = Mending()
        try:
            entry = kind.model_validate(value, context=mending)
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_context=False, include_input=False):
                tally.fault(where, ".".join(map(str, fault["loc"])) or "row", fault["msg"])
            continue
        tally.repaired += mending.happened
        yield Placed(where, entry)


def read_lines(tally: Tally) -> Iterator[Line]:
    """The lines of a text file; one that is too long is a fault and never held whole."""
    # A device or a pipe may have no end.
    if not tally.path.is_file():
        tally.fault(str(tally.path), "file", "is not there, or is no plain file")
        return
    try:
        with tally.path.open("rb") as file:
            yield from _lines(file, tally)
    except OSError as error:
        tally.fault(str(tally.path), "file", f"cannot be read: {error.strerror}")


def _lines(file: BinaryIO, tally: Tally) -> Iterator[Line]:
    number = 0
    while raw := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        where = f"{tally.path}:{number}"
        if len(raw) > MAX_LINE_BYTES and not raw.endswith(b"\n"):
            tally.fault(where, "row", f"is longer than {MAX_LINE_BYTES} bytes")
            while raw and not raw.endswith(b"\n"):
                raw = file.readline(MAX_LINE_BYTES)
            continue
        said = (raw.removeprefix(_BOM) if number == 1 else raw).rstrip(b"\r\n")
        if said.strip():
            yield Line(where, said)


def _read_values(tally: Tally) -> Iterator[tuple[str, Any]]:
    if _holds_array(tally):
        yield from _read_array(tally)
        return
    for line in read_lines(tally):
        try:
            value = from_json(line.raw)
        except ValueError as error:
            tally.fault(line.where, "row", f"is no JSON: {error}")
            continue
        yield line.where, value


def _read_array(tally: Tally) -> Iterator[tuple[str, Any]]:
    where = str(tally.path)
    try:
        size = tally.path.stat().st_size
        if size > MAX_ARRAY_BYTES:
            tally.fault(
                where, "file", f"is an array of {size} bytes, expected at most {MAX_ARRAY_BYTES}: make it JSONL"
            )
            return
        values = from_json(tally.path.read_bytes().removeprefix(_BOM))
    except OSError as error:
        tally.fault(where, "file", f"cannot be read: {error.strerror}")
        return
    except ValueError as error:
        tally.fault(where, "file", f"is no JSON: {error}")
        return
    for index, value in enumerate(values):
        yield f"{where}[{index}]", value


def _holds_array(tally: Tally) -> bool:
    """Whether the first sign that is no space opens an array."""
    if not tally.path.is_file():
        return False
    try:
        with tally.path.open("rb") as file:
            start = file.read(len(_BOM)).removeprefix(_BOM)
            while not start.strip():
                if not (start := file.read(4096)):
                    return False
    except OSError:
        return False  # reading its lines tells what is wrong with it
    return start.lstrip().startswith(b"[")
