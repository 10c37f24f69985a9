"""The `tear data import` command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from tear_chain.errors import TearError

if TYPE_CHECKING:
    from tear_training.importers import ImportReport


def import_command(
    format_name: Annotated[str, typer.Argument(metavar="FORMAT", help="One of the formats above.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to import.")],
    out: Annotated[Path, typer.Option("--out", help="JSONL file of rows to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace OUT.")] = False,
) -> None:
    """Import a foreign set of consequences as rows.

    OUT is written whole or, if anything in FILE is at fault, not at all. Formats:

    \b
    triples           input, response, consequence (JSON or JSONL).
    vignettes         Pairs of a harmful and a gentle answer (JSON or JSONL).
    moral-stories     Moral Stories: moral_stories_full.jsonl.
    esconv            ESConv.json: rated support conversations.
    failed-esconv     FailedESConv.json: rated conversations that failed.
    prosocial-dialog  ProsocialDialog: responses and the user's next turn.
    atomic-2020       ATOMIC 2020: events with feelings, effects and wants (TSV).
    journal           A server's journal (SQLite): outcomes that people reported.
    """
    from tear_training.importers import FORMATS, import_file
    from tear_training.rows import RowsError

    if format_name not in FORMATS:
        raise typer.BadParameter(f"{format_name!r} is none of {', '.join(FORMATS)}.", param_hint="FORMAT")
    try:
        report = import_file(format_name, file, out, force=force)
    except RowsError as exc:
        _complain(f"Error: nothing was written, for these faults in {file}:", *exc.faults)
        raise typer.Exit(1) from exc
    except TearError as exc:
        _complain(f"Error: {exc.sentence()}")
        raise typer.Exit(1) from exc
    print_report(report, out, console=Console())


def print_report(report: ImportReport, out: Path, *, console: Console) -> None:
    """Tell what was written to `out` and what was left out."""
    from tear_training.sources import is_non_commercial

    table = Table("What", "Count", title=f"{report.format} in {out}", title_justify="left")
    table.columns[1].justify = "right"
    table.add_row("Rows", f"{report.rows:,}")
    for kind, count in report.kinds.items():
        table.add_row(f"  provenance {kind}", f"{count:,}")
    for effect, count in report.effects.items():
        table.add_row(f"  {effect}", f"{count:,}")
    table.add_row("Entries with repaired encoding", f"{report.repaired:,}")
    for what, count in sorted(report.skipped.items()):
        table.add_row(f"Left out: {what}", f"{count:,}")
    console.print(table, markup=False)
    console.print(f"Licence: {report.license}", markup=False, highlight=False)
    if is_non_commercial(report.license):
        console.print("Non-commercial: every adapter trained on this is marked so.", style="yellow")


def _complain(*lines: str) -> None:
    console = Console(stderr=True)
    for line in lines:
        console.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
