"""An evaluation on the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from tear_training.evaluate.report import EvalReport, Figure, SuiteReport


def print_report(report: EvalReport, console: Console) -> None:
    """Every figure with its interval, what it rests on, and what must be known to read it."""
    what = f"adapter {report.name} {report.adapter}" if report.adapter else f"base {report.name} alone"
    console.print(f"[bold]{what}[/bold] on base {report.base} ({report.base_fingerprint})", highlight=False)
    for suite in report.suites:
        console.print(_table(suite))
        for part in suite.parts:
            console.print(f"  {part.name}: " + "; ".join(map(_brief, part.figures)), highlight=False, soft_wrap=True)
        for note in suite.notes:
            console.print(f"  Note: {note}", style="yellow", highlight=False, soft_wrap=True)
    console.print(
        f"{report.scores:,} scores, {report.scores_per_second:.0f} a second; {report.seconds:.0f} s in all; "
        f"seed {report.seed}, {report.resamples} resamples of situations.",
        highlight=False,
    )


def _table(suite: SuiteReport) -> Table:
    table = Table(title=f"Suite {suite.suite}: {suite.source}", title_justify="left")
    for head in ("Figure", "Value", "95 % interval", "Chance", "Situations"):
        table.add_column(head, justify="left" if head == "Figure" else "right")
    for figure in suite.figures:
        table.add_row(*_cells(figure), style="bold" if figure.name == "cas" else None)
    return table


def _cells(figure: Figure) -> Iterable[str]:
    chance = "" if figure.chance is None else f"{figure.chance:g}"
    return (
        figure.title,
        f"{figure.value:.3f}",
        f"{figure.low:.3f} to {figure.high:.3f}",
        chance,
        str(figure.situations),
    )


def _brief(figure: Figure) -> str:
    return f"{figure.title} {figure.value:.2f} ({figure.low:.2f} to {figure.high:.2f}, {figure.situations})"
