"""Many witnessed answers at a glance: a table for a terminal, lines with tabs for a pipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from tear_client.phrases import gaps, signed
from tear_client.render import weight_scale
from tear_client.replies import Witness
from tear_client.safetext import clean

Numbered = tuple[int, str, Witness]
"""An answer's number, its text, and what was foreseen of it."""


def scene_table(rows: Sequence[Numbered], *, plain: bool) -> Table:
    """A row for each answer: its number, its weight on the scale, the advice, the answer and its impact."""
    table = Table(box=box.ASCII_DOUBLE_HEAD if plain else box.SIMPLE, header_style="dim", padding=(0, 1))
    table.add_column("", justify="right", style="dim")
    table.add_column("weight", no_wrap=True)
    table.add_column("advice")
    table.add_column("answer, and its impact", ratio=1)
    for number, answer, witness in rows:
        scale = Text("none", style="dim")
        if witness.weight is not None:
            scale = weight_scale(witness.weight, witness.expected_weight, plain=plain)
        table.add_row(str(number), scale, str(witness.decision or ""), _told(answer, witness))
    return table


def scene_lines(rows: Sequence[Numbered]) -> Iterator[str]:
    """For each answer its number, weight, expected weight, advice and impact, with tabs between; `-` for none."""
    for number, _, witness in rows:
        weight = "-" if witness.weight is None else signed(witness.weight, 0)
        expected = "-" if witness.expected_weight is None else signed(witness.expected_weight, 1)
        impact = _line(witness.scene.impact or "") or "-"
        yield "\t".join((str(number), weight, expected, str(witness.decision or "-"), impact))


def _told(answer: str, witness: Witness) -> Text:
    told = Text(_line(answer), overflow="ellipsis", no_wrap=True)
    told.append(f"\n{_line(witness.scene.impact or '')}", style="dim")
    if (finding := gaps(witness)) is not None:
        told.append(f"\n{finding}", style="dim")
    return told


def _line(text: str) -> str:
    """The text on one line."""
    return " ".join(clean(text).split())
