"""Importers: foreign sets of consequences as rows, with the licence and the provenance of each.

`import_file` writes the rows of a file whole or not at all. What each format maps to, and why, stands in its module.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path

from tear_chain.errors import DataError
from tear_training.importers.atomic_2020 import ATOMIC_2020
from tear_training.importers.esconv import ESCONV, FAILED_ESCONV
from tear_training.importers.importer import Found, Importer
from tear_training.importers.journal import JOURNAL
from tear_training.importers.moral_stories import MORAL_STORIES
from tear_training.importers.prosocial_dialog import PROSOCIAL_DIALOG
from tear_training.importers.tally import ImportReport, Tally
from tear_training.importers.triples import TRIPLES
from tear_training.importers.vignettes import VIGNETTES
from tear_training.rows import MAX_LINE_BYTES, Row, RowsError, write_rows

__all__ = ["FORMATS", "ImportReport", "Importer", "import_file"]

FORMATS: Mapping[str, Importer] = {
    "triples": TRIPLES,
    "vignettes": VIGNETTES,
    "moral-stories": MORAL_STORIES,
    "esconv": ESCONV,
    "failed-esconv": FAILED_ESCONV,
    "prosocial-dialog": PROSOCIAL_DIALOG,
    "atomic-2020": ATOMIC_2020,
    "journal": JOURNAL,
}


def import_file(format_name: str, path: Path, out: Path, *, force: bool = False) -> ImportReport:
    """Write the rows of `path`, which is of format `format_name`, to `out`.

    `RowsError` lists all faults of the file; `DataError` tells why `out` cannot be written. Then nothing is written,
    and an `out` that was there stays as it was. `force` replaces one.
    """
    if format_name not in FORMATS:
        raise DataError(f"{format_name!r} is no format; expected one of {', '.join(FORMATS)}.")
    importer = FORMATS[format_name]
    _check_target(out, path=path, force=force)
    tally, kinds, effects = Tally(path), Counter[str](), Counter[str]()
    rows = _counted(_whole(importer.read(tally), tally), kinds, effects)
    try:
        count = write_rows(out, rows)
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error.strerror}.") from error
    finally:
        # After a success there is none, for it has become `out`.
        with contextlib.suppress(OSError):
            out.with_name(out.name + ".partial").unlink()
    return ImportReport(
        format=format_name,
        license=importer.license,
        rows=count,
        kinds=kinds,
        effects=effects,
        skipped=tally.skipped,
        repaired=tally.repaired,
    )


def _whole(found: Iterator[Found], tally: Tally) -> Iterator[Row]:
    """The rows that can be written; at the end, `RowsError` if anything was at fault or nothing was found."""
    seen: dict[str, tuple[str, bytes]] = {}
    for each in found:
        line = each.row.model_dump_json(exclude_none=True).encode()
        if len(line) >= MAX_LINE_BYTES:
            tally.fault(each.where, "row", f"would be {len(line)} bytes long, expected less than {MAX_LINE_BYTES}")
            continue
        content = blake2b(line, digest_size=16).digest()
        if each.row.id not in seen:
            seen[each.row.id] = (each.where, content)
            yield each.row
            continue
        first, first_content = seen[each.row.id]
        if content == first_content:
            tally.skip("rows that are there already, word for word")
        else:
            tally.fault(each.where, "id", f"{each.row.id!r} already stands at {first} with other content")
    if not tally.faults and not seen:
        tally.fault(str(tally.path), "rows", "came to none" + _told(tally.skipped))
    if tally.faults:
        raise RowsError(tally.faults)


def _counted(rows: Iterator[Row], kinds: Counter[str], effects: Counter[str]) -> Iterator[Row]:
    for row in rows:
        kinds[row.provenance.kind] += 1
        effects[_effect(row.consequence.weight)] += 1
        yield row


def _effect(weight: int | None) -> str:
    if weight is None:
        return "unweighed"
    return "no trace" if weight == 0 else "closes" if weight < 0 else "opens"


def _check_target(out: Path, *, path: Path, force: bool) -> None:
    if not out.parent.is_dir():
        raise DataError(f"{out} cannot be written: there is no folder {out.parent}.")
    if out.exists() and not out.is_file():
        raise DataError(f"{out} is a folder or a device. Name a file.")
    if out.exists() and path.exists() and out.samefile(path):
        raise DataError(f"{out} is the file to be imported. Name another one.")
    if out.exists() and not force:
        raise DataError(f"{out} exists already. Use --force to replace it.")


def _told(skipped: Mapping[str, int]) -> str:
    return "".join(f"; left out {count} {what}" for what, count in skipped.items())
