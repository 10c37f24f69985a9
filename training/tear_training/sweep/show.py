"""The report of a sweep on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tear_training.sweep.analysis import COMPARED
from tear_training.sweep.results import SweepReport
from tear_training.sweep.verdicts import Value, Verdict

_COLUMNS = ("cas", "d2_held_out", "d3", "d4_gain", "kept_kind", "draft_opens", "perplexity_ratio")
_SHORT = {
    "cas": "score",
    "d2_held_out": "D2 held out",
    "d3": "D3",
    "d4_gain": "D4 gain",
    "kept_kind": "kind kept",
    "draft_opens": "drafts open",
    "answer_opens": "answers open",
    "perplexity_ratio": "perplexity",
}
_STYLES = {"reached": "green", "not reached": "bold red", "not measured": "yellow"}


def print_report(report: SweepReport, console: Console) -> None:
    """Figures by condition, what lambda adds to the controls, and the bars last, where a reader looks first."""
    console.print(_conditions(report))
    console.print(_comparisons(report))
    console.print(_verdicts(report))
    kept = sum(each.state == "reached" for each in report.verdicts if each.condition == report.main)
    asked = sum(each.condition == report.main for each in report.verdicts)
    if asked:
        _say(console, f"{report.main} reached {kept} of {asked} bars.")
    if report.missing:
        _say(console, f"Not whole: {len(report.missing)} of {len(report.cells)} cells are not done.", style="yellow")


def _conditions(report: SweepReport) -> Table:
    table = _table("Conditions, 95 % intervals", "Condition", "Seeds")
    for name in _COLUMNS:
        table.add_column(_SHORT[name], justify="right")
    for condition in report.conditions:
        found = [condition.figure(name) for name in _COLUMNS]
        cells = ["–" if each is None else f"{each.value:.2f} ({each.low:.2f}…{each.high:.2f})" for each in found]
        table.add_row(condition.name, str(len(condition.seeds) or "–"), *cells)
    return table


def _comparisons(report: SweepReport) -> Table:
    named = [name for name in COMPARED if name in report.titles]
    table = _table("Differences, paired over situations and seeds", "Condition", "less")
    for name in named:
        table.add_column(_SHORT[name], justify="right")
    for condition, against in report.pairs:
        if condition == report.main:
            found = [report.comparison(name, condition, against) for name in named]
            cells = ["–" if each is None else f"{each.value:+.2f} ({each.low:+.2f}…{each.high:+.2f})" for each in found]
            table.add_row(condition, against, *cells)
    return table


def _verdicts(report: SweepReport) -> Table:
    table = _table("Bars", "Bar", "Condition", "Found", "Expected", "Verdict")
    for each in report.verdicts:
        state = Text(each.state, style=_STYLES[each.state])
        table.add_row(each.bar, each.condition, _found(each), each.expected, state)
    return table


def _found(verdict: Verdict) -> str:
    match verdict.found, verdict.against:
        case None, _:
            return "–"
        case Value(value=value, low=low, high=high), None:
            return f"{value:.3f} ({low:.3f}…{high:.3f})"
        case Value(value=value, low=low, high=high), _:
            return f"{value:+.3f} ({low:+.3f}…{high:+.3f})"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column)
    return table


def _say(console: Console, text: str, *, style: str | None = None) -> None:
    console.print(Text(text, style=style or ""), soft_wrap=True)
