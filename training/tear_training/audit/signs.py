"""The rows that somebody judged to open or to close: what leaks and sound are measured on."""

from __future__ import annotations

from collections.abc import Sequence

from tear_training.rows import Row

MIN_ROWS = 20
MIN_FAMILIES = 5


def sign(row: Row) -> int:
    """1 where the answer opens, -1 where it closes, 0 where it left no trace or nobody judged it."""
    weight = row.consequence.weight or 0
    return (weight > 0) - (weight < 0)


def signed(rows: Sequence[Row]) -> list[Row]:
    """The rows that open or close."""
    return [row for row in rows if sign(row)]


def too_few(rows: Sequence[Row]) -> str | None:
    """Why nothing can be said of so few signed rows; None where there are enough."""
    opening = sum(sign(row) > 0 for row in rows)
    families = len({row.family for row in rows})
    if len(rows) < MIN_ROWS:
        return f"{len(rows)} opening or closing rows, at least {MIN_ROWS} are needed"
    if families < MIN_FAMILIES:
        return f"{families} families of situations, at least {MIN_FAMILIES} are needed"
    if opening in (0, len(rows)):
        return f"all {len(rows)} rows {'open' if opening else 'close'}, both sides are needed"
    return None
