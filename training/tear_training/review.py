"""`tear data review`: a person goes through rows in the terminal, and every decision is saved at once."""

from __future__ import annotations

import datetime
import os
import shlex
import subprocess
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer
import yaml
from pydantic import ValidationError
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text as Printed

from tear_chain.errors import DataError, InvalidRequest, TearError
from tear_training.rejected import Rejected, explain_faults, load_rejected, rejected_file, write_rejected
from tear_training.rows import Component, Review, Row, RowsError, load_rows, write_rows

Decision = Literal["accepted", "edited", "rejected", "skipped"]

_KEYS = "a accept, e edit, r reject, s skip, b back one, q quit: "
_RETRY = "t try again, d drop the edit: "


class EditFault(ValueError):
    """An edited row that is none; `faults` says what is wrong, one line each."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


@dataclass(frozen=True, slots=True)
class Terminal:
    """The person: what they are shown, asked and given to edit. `ask` raises EOFError when they are gone."""

    console: Console
    ask: Callable[[str], str]
    edit: Callable[[str], str | None]
    """The text as the person left it, or None if it could not be edited."""


class Desk:
    """Rows under review in `file`, and those turned down beside it."""

    def __init__(self, rows: Iterable[Row], *, file: Path, rejected: Sequence[Rejected] = ()) -> None:
        self._order = {row.id: row for row in rows}
        self._file = file
        self._others = [entry for entry in rejected if entry.row is None or entry.row.id not in self._order]
        self._rejected = {entry.row.id: entry for entry in rejected if entry.row and entry.row.id in self._order}
        self._out: set[str] = set()

    @classmethod
    def open(cls, file: Path, *, out: Path | None = None) -> Desk:
        """The rows of `file`; with `out`, decisions go there, and those that it holds already are taken up."""
        rows, target = _load(file), out or file
        rejected = load_rejected(rejected_file(target))
        if out is not None and out.exists():
            done = {row.id: row for row in _load(out)}
            if strange := sorted(done.keys() - {row.id for row in rows}):
                raise DataError(f"{out} holds rows that {file} does not, such as {strange[0]}. Name another --out.")
            gone = {entry.row.id for entry in rejected if entry.row is not None and entry.date is not None}
            rows = [done.get(row.id, row) for row in rows if row.id in done or row.id not in gone]
        return cls(rows, file=target, rejected=rejected)

    @property
    def rows(self) -> list[Row]:
        """The rows that stand, in order."""
        return [row for row in self._order.values() if row.id not in self._out]

    def row(self, row_id: str) -> Row:
        """A row as it is now, turned down or not."""
        return self._order[row_id]

    def keep(self, row: Row) -> None:
        """Take a decided row, and save."""
        self._order[row.id] = row
        self._out.discard(row.id)
        write_rows(self._file, self.rows)
        if self._rejected.pop(row.id, None) is not None:
            self._save_rejected()

    def reject(self, row: Row, reason: str, *, date: datetime.date) -> None:
        """Move a row to the rejected ones, and save."""
        self._rejected[row.id] = Rejected(reason=reason, date=date, row=row)
        self._out.add(row.id)
        # The file that gains the row is written first: whatever happens between, the row stands in one of them.
        self._save_rejected()
        write_rows(self._file, self.rows)

    def _save_rejected(self) -> None:
        write_rejected(rejected_file(self._file), [*self._others, *self._rejected.values()])


def accepted(row: Row, *, date: datetime.date) -> Row:
    """The row as a person leaves it who accepts it; what they edited before stays edited."""
    before = row.provenance.review
    was_edited = before is not None and before.verdict == "edited"
    return _reviewed(row, Review(verdict="edited" if was_edited else "accepted", date=date))


def edited(row: Row, *, date: datetime.date) -> Row:
    """The row as a person leaves it who has changed it."""
    return _reviewed(row, Review(verdict="edited", date=date))


def dump_row(row: Row) -> str:
    """The row as YAML, for the editor."""
    values = row.model_dump(mode="json", exclude_none=True)
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


def read_row(text: str, *, before: Row) -> Row:
    """The row that an edited text says; `EditFault` lists what is wrong with it."""
    try:
        given: Any = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise EditFault([f"this is not YAML: {' '.join(str(exc).split())}"]) from exc
    if not isinstance(given, dict):
        raise EditFault(["row: expected fields and their values"])
    if isinstance(given.get("traits"), list):
        # YAML reads a bare `no` as false.
        given["traits"] = ["no" if trait is False else trait for trait in given["traits"]]
    try:
        row = Row.model_validate(given)
    except ValidationError as exc:
        raise EditFault(explain_faults(exc, whole="row")) from exc
    if row.id != before.id:
        raise EditFault([f"id: is {row.id}, expected {before.id}: an edit does not rename a row"])
    return row


def review(desk: Desk, queue: Sequence[str], *, terminal: Terminal, date: datetime.date) -> dict[str, Decision]:
    """Go through the rows named in `queue`; the last decision on each, also when the person leaves midway."""
    decisions: dict[str, Decision] = {}
    place = 0
    while place < len(queue):
        row = desk.row(queue[place])
        terminal.console.print(_shown(row, f"{place + 1} of {len(queue)}", decisions.get(row.id)))
        try:
            key = terminal.ask(_KEYS).strip().lower()
            if key == "q":
                break
            if key == "b":
                place = max(0, place - 1)
                continue
            decision = _decide(desk, row, key, terminal=terminal, date=date)
        except EOFError:
            break
        if decision is not None:
            # To skip a row on the way back leaves the decision that it has.
            if decision != "skipped" or row.id not in decisions:
                decisions[row.id] = decision
            place += 1
    return decisions


def review_command(
    file: Annotated[Path, typer.Argument(help="JSONL file of rows.")],
    out: Annotated[Path | None, typer.Option(help="Where decisions are saved; FILE itself if not given.")] = None,
    component: Annotated[list[str] | None, typer.Option(help="Only this component; may be repeated.")] = None,
    culture: Annotated[list[str] | None, typer.Option(help="Only this culture; may be repeated.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show rows again that were reviewed.")] = False,
) -> None:
    """Accept, edit or reject rows one by one; rejected ones move to FILE.rejected.jsonl. Every decision is saved."""
    console = Console()
    try:
        if unknown := sorted(set(component or ()) - set(get_args(Component))):
            known = ", ".join(get_args(Component))
            raise InvalidRequest(f"There is no component {unknown[0]}. Name one of: {known}.", param="component")
        desk = Desk.open(file, out=out)
        queue = [row.id for row in desk.rows if _is_asked(row, component, culture, everything=everything)]
        terminal = Terminal(console, ask=lambda said: _ask(console, said), edit=lambda text: _edit(console, text))
        decisions = review(desk, queue, terminal=terminal, date=datetime.date.today())
    except (TearError, OSError) as exc:
        said = exc.sentence() if isinstance(exc, TearError) else str(exc)
        Console(stderr=True).print(f"Error: {said}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from exc
    counts = Counter(decisions.values())
    console.print(", ".join(f"{counts[decision]} {decision}" for decision in get_args(Decision)) + ".")
    left = sum(not row.provenance.human_reviewed for row in desk.rows)
    where = out if out is not None and out.exists() else file
    console.print(f"{len(desk.rows)} rows stand in {where}, {left} of them not reviewed.", soft_wrap=True)


def _decide(desk: Desk, row: Row, key: str, *, terminal: Terminal, date: datetime.date) -> Decision | None:
    """Do what a key says; None where nothing was decided."""
    if key == "a":
        desk.keep(accepted(row, date=date))
        return "edited" if row.provenance.review and row.provenance.review.verdict == "edited" else "accepted"
    if key == "e":
        changed = _edited_by_person(row, terminal)
        if changed is None:
            return None
        desk.keep(edited(changed, date=date))
        return "edited"
    if key == "r":
        reason = terminal.ask("Why? (nothing: do not reject) ").strip()
        if not reason:
            return None
        desk.reject(row, reason, date=date)
        return "rejected"
    return "skipped" if key == "s" else None


def _edited_by_person(row: Row, terminal: Terminal) -> Row | None:
    text = dump_row(row)
    while True:
        given = terminal.edit(text)
        if given is None:
            return None
        text = given
        try:
            changed = read_row(text, before=row)
        except EditFault as exc:
            terminal.console.print(Printed("\n".join(map(_visible, exc.faults)), style="red"))
            key = ""
            while key not in ("t", "d"):
                key = terminal.ask(_RETRY).strip().lower()
            if key == "d":
                return None
            continue
        if changed == row:
            terminal.console.print("Nothing was changed.")
            return None
        return changed


def _reviewed(row: Row, verdict: Review) -> Row:
    provenance = row.provenance.model_copy(update={"human_reviewed": True, "review": verdict})
    return row.model_copy(update={"provenance": provenance})


def _load(path: Path) -> list[Row]:
    try:
        return load_rows(path)
    except OSError as exc:
        raise DataError(f"{path} cannot be read: {exc.strerror}.") from exc
    except RowsError as exc:
        raise DataError(str(exc)) from exc


def _is_asked(row: Row, components: list[str] | None, cultures: list[str] | None, *, everything: bool) -> bool:
    return (
        (everything or not row.provenance.human_reviewed)
        and (not components or row.component in components)
        and (not cultures or row.culture in cultures)
    )


def _shown(row: Row, place: str, decision: Decision | None) -> Group:
    said = Printed()
    for message in row.conversation:
        said.append(f"{message.role}: ", style="bold").append(_visible(message.content) + "\n")
    scene = Table(show_header=False, box=None)
    weight = row.consequence.weight
    for name, text in (
        ("who", row.consequence.who),
        ("impact", row.consequence.impact),
        ("ripples", row.consequence.ripples),
        ("weight", None if weight is None else f"{weight:+d}" if weight else "0"),
        ("revised", row.revised),
        ("traits", ", ".join(row.traits)),
        ("kind", f"{row.component}, {row.difficulty}, {row.culture}, {row.language}"),
    ):
        if text:
            scene.add_row(Printed(name, style="bold"), Printed(_visible(text)))
    title = f"{row.id}  ({place})" + (f"  {decision}" if decision else "")
    return Group(
        Panel(said, title=Printed(_visible(title)), title_align="left"),
        Panel(Printed(_visible(row.response)), title="answer", title_align="left"),
        scene,
    )


def _visible(text: str) -> str:
    """The text without control characters: a row must not be able to steer the terminal."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(sign) == "Cc" and sign not in "\n\t" else sign
        for sign in text
    )


def _ask(console: Console, said: str) -> str:
    try:
        return console.input(Printed(said))
    except KeyboardInterrupt as exc:
        raise EOFError from exc


def _edit(console: Console, text: str) -> str | None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        console.print("Set EDITOR or VISUAL to the editor you want.")
        return None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "row.yaml"
        file.write_text(text, encoding="utf-8")
        try:
            # The editor is the person's own choice, from their environment.
            done = subprocess.run([*shlex.split(editor), str(file)], check=False)  # noqa: S603
            if done.returncode != 0:
                console.print(f"{editor} ended with status {done.returncode}: the edit is dropped.", markup=False)
                return None
            return file.read_text(encoding="utf-8")
        except (OSError, ValueError) as exc:
            console.print(f"{editor} cannot edit the row: {exc}", markup=False)
            return None
