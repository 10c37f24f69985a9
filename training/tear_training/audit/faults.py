"""Faults of meaning: rows that are well formed, each by itself, and cannot stand together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import get_args

from tear_training.rows import Row, load_rows
from tear_training.splits import DataSplit

_SPLITS: tuple[DataSplit, ...] = get_args(DataSplit)


def situation_faults(rows: Iterable[Row]) -> list[str]:
    """One fault for each situation whose rows tell it differently."""
    first: dict[str, Row] = {}
    faults: dict[str, str] = {}
    for row in rows:
        other = first.setdefault(row.situation_id, row)
        if other is not row and other.conversation != row.conversation:
            told = f"situation_id {row.situation_id!r}: rows {other.id!r} and {row.id!r} tell it with different inputs"
            faults.setdefault(row.situation_id, f"{told}; give them different situation_ids, or one input")
    return list(faults.values())


def files_by_split(files: Sequence[Path]) -> dict[DataSplit, list[Row]]:
    """Rows of the files whose stem is a split's name, by that split."""
    found: dict[DataSplit, list[Row]] = {}
    for split in _SPLITS:
        for file in files:
            if file.stem == split:
                found.setdefault(split, []).extend(load_rows(file))
    return found


def straddling_faults(rows_by_split: Mapping[DataSplit, Sequence[Row]]) -> list[str]:
    """One fault for each family that stands in the files of more than one split."""
    places: dict[str, list[DataSplit]] = {}
    for split, rows in rows_by_split.items():
        for family in {row.family for row in rows}:
            places.setdefault(family, []).append(split)
    return [
        f"situation_id {family!r}: the family stands in the files of {' and '.join(splits)}; keep it in one of them"
        for family, splits in sorted(places.items())
        if len(splits) > 1
    ]
