"""Training rows by their sources, with the record of each for the manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tear_chain.errors import DataError
from tear_chain.manifest import DataSource
from tear_training.config import Source, WorldSource
from tear_training.rows import Row, RowsError, load_files
from tear_training.splits import DataSplit, rows_of
from tear_training.world import World


def read_sources(sources: Sequence[Source], *, folder: Path, split: DataSplit) -> tuple[list[Row], list[DataSource]]:
    """All rows of `sources`, in order; relative files start at `folder`. `DataError` names what cannot be read.

    Of a file that does not say which part is meant, `split` is taken: nobody trains on the test by leaving a word out.
    """
    rows: list[Row] = []
    records: list[DataSource] = []
    for source in sources:
        if source.world is not None:
            found, name = _read_world(source.world), _world_name(source.world)
        elif source.file is not None:
            part = source.split or split
            found, name = _read_file(folder / source.file, part), f"{source.file.name} {part}"
        else:
            continue
        rows += found
        records.append(_record(name, found))
    return rows, records


def is_non_commercial(license_name: str) -> bool:
    """Whether a licence, or one of several, forbids commercial use."""
    said = license_name.lower()
    return "-nc" in said or "noncommercial" in said.replace("-", "")


def _read_world(source: WorldSource) -> list[Row]:
    return list(World(source.seed, table=source.table).rows(split=source.split, count=source.rows))


def _world_name(source: WorldSource) -> str:
    return f"{source.table} world seed {source.seed} {source.split}"


def _read_file(path: Path, part: DataSplit | Literal["all"]) -> list[Row]:
    try:
        rows = load_files([path])
    except RowsError as exc:
        raise DataError(str(exc)) from exc
    taken = rows if part == "all" else rows_of(part, rows)
    if not taken:
        raise DataError(
            f"{path} holds no rows."
            if not rows
            else f"{path} holds no situation of the split {part}; `split: all` takes every row."
        )
    return taken


def _record(name: str, rows: Sequence[Row]) -> DataSource:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(row.model_dump_json(exclude_none=True).encode() + b"\n")
    return DataSource(
        name=name,
        sha256=digest.hexdigest(),
        rows=len(rows),
        license=", ".join(sorted({row.license for row in rows})),
        provenance=", ".join(sorted({row.provenance.kind for row in rows})),
    )
