"""Many witnessed answers at a glance: a table for a terminal, lines with tabs for a pipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from tear_client.phrases import gaps, signed
from tear_client.render import weight_line
from tear_client.replies import Witness
from tear_client.safetext import clean

Numbered = tuple[int, str, Witness]
"""An answer's number, its text, and what was foreseen of it."""


def scene_table(rows: Sequence[Numbered], *, plain: bool) -> Table:
    """For each answer its number, its weight on the scale, its text and its impact."""
    table = Table.grid(padding=(0, 2, 1, 0))
    table.add_column(justify="right", style="dim")
    table.add_column()
    for number, answer, witness in rows:
        table.add_row(str(number), _told(answer, witness, plain))
    return table


def scene_lines(rows: Sequence[Numbered]) -> Iterator[str]:
    """For each answer its number, weight, expected weight, advice and impact, with tabs between; `-` for none."""
    for number, _, witness in rows:
        weight = "-" if witness.weight is None else signed(witness.weight, 0)
        expected = "-" if witness.expected_weight is None else signed(witness.expected_weight, 1)
        impact = _line(witness.scene.impact or "") or "-"
        yield "\t".join((str(number), weight, expected, str(witness.decision or "-"), impact))


def _told(answer: str, witness: Witness, plain: bool) -> Text:
    if witness.weight is None:
        told = Text("no weight", style="dim")
    else:
        told = weight_line(witness.weight, witness.expected_weight, plain=plain)
    told.append(f"\n{_line(answer)}", style="not dim")
    if witness.scene.impact:
        told.append(f"\n{_line(witness.scene.impact)}", style="dim")
    if (finding := gaps(witness)) is not None:
        told.append(f"\n{finding}", style="dim")
    return told


def _line(text: str) -> str:
    """The text on one line."""
    return " ".join(clean(text).split())
