"""The audit as tables in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from rich.columns import Columns
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tear_training.audit.figures import Audit, Score, State
from tear_training.audit.grid import coverage_lines
from tear_training.rows import Component

_COLOR: Mapping[State, str] = {"kept": "green", "broken": "bold red", "not measured": "yellow"}
_EXCERPT = 80


def print_audit(audit: Audit, console: Console) -> None:
    """Everything that was measured, the verdicts last, where a reader looks first."""
    _print_head(audit, console)
    if audit.answers.total:
        _print_coverage(audit, console)
        _print_repeats(audit, console)
        _print_leaks(audit, console)
    for fault in audit.faults:
        _say(console, fault, style="red")
    _print_verdicts(audit, console)


def shown(text: str, *, limit: int | None = None) -> str:
    """Text of a row in one line, without what a terminal would obey, cut to `limit` characters."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if limit is None or len(line) <= limit else line[: limit - 1] + "…"


def _print_head(audit: Audit, console: Console) -> None:
    splits = ", ".join(f"{split} {count}" for split, count in audit.answers.by_split.items())
    situations = audit.situations
    _say(
        console,
        f"{audit.answers.total} answers to {situations.total} situations in {situations.families} families: "
        f"{splits}, hard {audit.answers.hard}",
        style="bold",
    )


def _print_coverage(audit: Audit, console: Console) -> None:
    situations, answers = audit.situations, audit.answers
    tables = [
        _counted("Weight", answers.by_weight),
        _counted("Manner, kind", answers.by_manner),
        _counted("Component", answers.by_component),
        _counted("Component, situations", situations.by_component),
        _counted("Difficulty", answers.by_difficulty),
        _counted("Culture, situations", situations.by_culture),
        _counted("Licence", answers.by_license),
        _counted("Provenance", answers.by_provenance),
        _counted("Generator", answers.by_generator),
    ]
    if situations.crises:
        of = {f"{crisis.situation} (of {crisis.answers})": crisis.opens for crisis in situations.crises}
        tables.append(_counted("Crisis, opening answers", of))
    console.print(Columns(tables, padding=(0, 3)))
    grid = _table("Rows by culture: obvious / moderate / subtle", "Culture", *get_args(Component))
    for line in coverage_lines(answers.cells):
        grid.add_row(Text(shown(line.culture)), *line.cells)
    console.print(grid)
    _say(
        console,
        f"{situations.answers_min} to {situations.answers_max} answers a situation, {situations.answers_mean:.2f} on "
        f"average; two open in {situations.two_open}, two close in {situations.two_close}, both and four answers in "
        f"{situations.square}. An answer turns its effect between settings in {situations.turning} situations of "
        f"{situations.turning_families} families. {situations.multi_turn_warmth} warmth situations have several turns. "
        f"A person reviewed {_percent(answers.reviewed_share)} of the rows.",
    )


def _print_repeats(audit: Audit, console: Console) -> None:
    duplicates, contamination = audit.duplicates, audit.contamination
    table = _table(
        f"Near-duplicates, Jaccard {duplicates.threshold:g} or more on runs of three words",
        *("Kind", "Texts", "Across splits", "Other family", "Same family", "Same situation"),
    )
    for one in duplicates.repeats:
        kind = f"{one.kind} (not all compared)" if one.is_capped else one.kind
        counts = (one.texts, one.across_splits, one.other_family, one.same_family, one.same_situation)
        table.add_row(kind, *map(str, counts))
    console.print(table)
    for pair in duplicates.worst:
        places = f"{pair.first} ({pair.first_split}) and {pair.second} ({pair.second_split})"
        _say(console, f"  {pair.kind} {pair.jaccard:.2f}  {places}: {shown(pair.first_text, limit=_EXCERPT)}")
    _say(
        console,
        f"{contamination.touched_rows} of {contamination.evaluation_rows} evaluation rows share a run of "
        f"{contamination.gram_words} words with training ({_percent(contamination.share)}).",
    )
    for overlap in contamination.worst:
        _say(console, f"  {overlap.row} ({overlap.split}) and {overlap.train_row}: “{overlap.example}”")


def _print_leaks(audit: Audit, console: Console) -> None:
    leaks, style = audit.leaks, audit.style
    title = "What one field alone gives away: naive Bayes over words, families held out"
    table = _table(title, "Field", "Set", "Rows", "Accuracy", "Balanced", "Majority", "Reads")
    for leak in leaks.leaks:
        cells: tuple[str, ...] = (f"not measured: {leak.why}",)
        if leak.guess is not None:
            guess = leak.guess
            cells = (_score(guess.accuracy), _score(guess.balanced), f"{guess.majority:.3f}", guess.reads)
        table.add_row(leak.field, leak.scope, str(leak.rows), *cells)
    console.print(table)
    if leaks.sampled_rows is not None:
        _say(console, f"Read on a seeded sample of families with {leaks.sampled_rows} rows.")
    tells = ", ".join(f"{tell.word} {tell.opens}:{tell.closes}" for tell in leaks.tells)
    _say(console, f"Words that tell most, opening:closing answers: {tells or 'none'}")
    for sound in (style.opens, style.closes):
        _say(
            console,
            f"Answers where it {sound.side}: {sound.rows}, {_percent(sound.question_share)} with a question mark, "
            f"{sound.mean_words:.1f} words on average",
        )


def _print_verdicts(audit: Audit, console: Console) -> None:
    table = _table("Bars", "Bar", "Value", "Expected", "Verdict")
    for verdict in audit.verdicts:
        table.add_row(
            verdict.name,
            "–" if verdict.value is None else f"{verdict.value:g}",
            f"{verdict.relation} {verdict.bar:g}",
            Text(verdict.state + (f": {verdict.why}" if verdict.why else ""), style=_COLOR[verdict.state]),
        )
    console.print(table)
    for verdict in audit.broken:
        _say(console, verdict.sentence(), style=_COLOR["broken"])
    for verdict in audit.unmeasured:
        _say(console, verdict.sentence(), style=_COLOR["not measured"])
    if not audit.broken:
        kept = sum(verdict.state == "kept" for verdict in audit.verdicts)
        _say(console, f"{kept} of {len(audit.verdicts)} bars kept, none broken, {len(audit.unmeasured)} not measured.")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="dim", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column)
    return table


def _counted(title: str, counts: Mapping[str, int]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column(title, header_style="dim")
    table.add_column(justify="right")
    for name, count in counts.items():
        table.add_row(Text(shown(name)), str(count))
    return table


def _score(score: Score) -> str:
    return f"{score.value:.3f} ({score.low:.2f}…{score.high:.2f})"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _say(console: Console, text: str, *, style: str | None = None) -> None:
    console.print(Text(shown(text), style=style or ""), soft_wrap=True)
