"""What an import counts while it reads: faults, things left out, texts put right; and the report it ends with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tear_training.rows import RowsError

MAX_FAULTS = 1000
"""So many faults end the reading: a file like that is of another format, and nobody reads further."""

_MAX_FAULT_CHARS = 300


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import wrote, and what it left out."""

    format: str
    license: str
    rows: int
    kinds: Mapping[str, int]
    """Rows by the kind of their provenance."""
    effects: Mapping[str, int]
    """Rows by the sign of their weight: `opens`, `closes`, `no trace`, `unweighed`."""
    skipped: Mapping[str, int]
    """What was left out, by the reason, which says what is counted: turns, lines, entries."""
    repaired: int
    """Entries of the file (objects or lines) in which wrongly decoded text was put right."""


@dataclass(slots=True)
class Tally:
    """The counts of one import of the file `path`."""

    path: Path
    faults: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    repaired: int = 0

    def fault(self, where: str, what: str, reason: str) -> None:
        """Note a fault as `where what reason`; `RowsError` with all so far when there are `MAX_FAULTS`."""
        told = f"{where} {_printable(what)} {_printable(reason)}"
        self.faults.append(told if len(told) <= _MAX_FAULT_CHARS else told[:_MAX_FAULT_CHARS] + "…")
        if len(self.faults) >= MAX_FAULTS:
            raise RowsError([*self.faults, f"{self.path} rows reading stopped after {MAX_FAULTS} faults"])

    def skip(self, what: str, times: int = 1) -> None:
        """Count something that is left out; `what` names it in the plural, with the reason."""
        if times:
            self.skipped[what] += times


def _printable(text: str) -> str:
    # Names of fields come from the file, and a terminal obeys what it is shown.
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
