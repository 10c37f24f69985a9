"""The `tear data audit` command. Importing this is cheap: scikit-learn and matplotlib load when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from tear_training.audit.bars import CURATED, Bars
from tear_training.audit.faults import files_by_split, straddling_faults
from tear_training.audit.measure import audit_rows
from tear_training.audit.report import print_audit, shown
from tear_training.rows import Row, RowsError, load_files, row_files

_GENERAL = "Bars of every set"
_COUNTS = "Bars of counts, asked for only if given"


def _bar(help_text: str, *, panel: str = _GENERAL, maximum: float | None = None) -> Any:
    return typer.Option(help=help_text, rich_help_panel=panel, min=0, max=maximum, show_default=False)


def audit_command(
    files: Annotated[list[Path], typer.Argument(help="Files of rows, or folders of them.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the audit as one JSON document.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write the audit as one HTML page.")] = None,
    curated: Annotated[bool, typer.Option("--curated", help="Ask for the counts of the curated set 0.1.")] = False,
    faults: Annotated[int | None, _bar("Schema faults, at most (0).")] = None,
    duplicates: Annotated[int | None, _bar("Near-duplicates across splits, at most (0).")] = None,
    leak_hard: Annotated[float | None, _bar("Guess by responses, hard split, at most (0.65).", maximum=1)] = None,
    leak_whole: Annotated[float | None, _bar("Guess by responses, whole set, at most (0.75).", maximum=1)] = None,
    question_gap: Annotated[float | None, _bar("Gap in question marks, points, at most (10).")] = None,
    length_gap: Annotated[float | None, _bar("Gap in length, percent, at most (15).")] = None,
    situations: Annotated[int | None, _bar("Situations with two answers on either side.", panel=_COUNTS)] = None,
    warmth: Annotated[int | None, _bar("Warmth situations.", panel=_COUNTS)] = None,
    repair: Annotated[int | None, _bar("Repair situations.", panel=_COUNTS)] = None,
    weights: Annotated[int | None, _bar("Different weights.", panel=_COUNTS, maximum=7)] = None,
    cultures: Annotated[int | None, _bar("Cultures with enough situations.", panel=_COUNTS)] = None,
    culture_situations: Annotated[int | None, _bar("What is enough for a culture (10).", panel=_COUNTS)] = None,
    turning: Annotated[int | None, _bar("Situations where an answer turns its effect.", panel=_COUNTS)] = None,
    kind_answers: Annotated[int | None, _bar("Answers of each manner and kind.", panel=_COUNTS)] = None,
    hopeless_crises: Annotated[
        int | None, _bar("Crisis situations without an opening answer, at most.", panel=_COUNTS)
    ] = None,
) -> None:
    """Tell whether a data set teaches what words do, or merely how kind text looks.

    Exits with 1 where the files have faults or a bar is broken. A bar that cannot be measured is named, and is neither
    kept nor broken.
    """
    if html is not None and not html.absolute().parent.is_dir():
        raise typer.BadParameter(f"the folder {html.absolute().parent} does not exist", param_hint="--html")
    if html is not None and (html.is_dir() or html.suffix == ".jsonl"):
        raise typer.BadParameter(f"{html} is no place for a page; name a file such as audit.html", param_hint="--html")
    given = {
        "faults": faults,
        "duplicates_across_splits": duplicates,
        "leak_hard": leak_hard,
        "leak_whole": leak_whole,
        "question_gap": question_gap,
        "length_gap": length_gap,
        "situations": situations,
        "warmth": warmth,
        "repair": repair,
        "weights": weights,
        "cultures": cultures,
        "culture_situations": culture_situations,
        "turning": turning,
        "kind_answers": kind_answers,
        "hopeless_crises": hopeless_crises,
    }
    asked: dict[str, Any] = {name: bar for name, bar in given.items() if bar is not None}
    bars = replace(CURATED if curated else Bars(), **asked)

    rows, found = read_rows(files)
    audit = audit_rows(rows, bars, faults=found)
    if as_json:
        typer.echo(audit.model_dump_json(indent=2))
        for text in (*audit.faults, *(verdict.sentence() for verdict in audit.broken)):
            _complain(text)
    else:
        print_audit(audit, Console())
    if html is not None:
        from tear_training.audit.page import write_page

        try:
            write_page(html, audit)
        except OSError as exc:
            _complain(f"{html} cannot be written: {exc.strerror}")
            raise typer.Exit(1) from exc
    if audit.broken:
        raise typer.Exit(1)


def read_rows(files: Sequence[Path]) -> tuple[list[Row], list[str]]:
    """The rows of files and folders, and the faults of the files; no rows where a file cannot be read."""
    try:
        # A file named twice is one file.
        paths = list(dict.fromkeys(row_files(files)))
        rows = load_files(paths)
    except RowsError as exc:
        return [], [_sayable(fault) for fault in exc.faults]
    faults = straddling_faults(files_by_split(paths))
    if not rows:
        faults.append(f"{', '.join(map(str, files))}: no rows")
    return rows, [_sayable(fault) for fault in faults]


def _sayable(text: str) -> str:
    """The text without halves of surrogate pairs, which names of files may hold and no document can."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _complain(text: str) -> None:
    Console(stderr=True).print(Text(shown(text), style="red"), soft_wrap=True)
