"""The coverage table as it is shown: a line for each culture, a column for each component."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from tear_training.audit.figures import Cell
from tear_training.rows import Component, Difficulty


@dataclass(frozen=True, slots=True)
class Line:
    """One culture, and for each component how many rows are `obvious / moderate / subtle`."""

    culture: str
    cells: tuple[str, ...]


def coverage_lines(cells: Sequence[Cell]) -> list[Line]:
    """The table's lines, by culture."""
    rows = {(cell.culture, cell.component, cell.difficulty): cell.rows for cell in cells}
    return [
        Line(
            culture,
            tuple(
                " / ".join(str(rows.get((culture, component, difficulty), 0)) for difficulty in get_args(Difficulty))
                for component in get_args(Component)
            ),
        )
        for culture in sorted({cell.culture for cell in cells})
    ]
