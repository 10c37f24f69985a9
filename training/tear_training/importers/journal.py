"""A server's journal (SQLite): answered reflections, and what people reported really came of them.

Only a reflection with a reported outcome makes a row: the conversation, the answer that was given, the report as the
impact and, where the person weighed it, the weight. What the model had foreseen is left out, for it is no fact; so is
its draft. People consented to a journal, not to a licence, so that is `unstated`.

Tables `reflections` (`id`, `created`, `conversation` as JSON, `answer`) and `outcomes` (`reflection_id`, `text`,
`weight`), and `journal_version` with a version known here. A row's place is `file[rowid of its reflection]`. A file
that a server is writing to may be read, and SQLite may leave its `-shm` and `-wal` beside it; a journal on PostgreSQL
cannot be imported.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic_core import from_json

from tear_training.importers.importer import Found, Importer, Origin
from tear_training.importers.reading import Foreign
from tear_training.importers.tally import Tally
from tear_training.importers.texts import Key, digest
from tear_training.rows import MAX_LINE_BYTES, UNSTATED, Consequence, Message, Provenance

VERSIONS = frozenset({"0001"})
"""Versions of the journal that are read alike."""
GENERATOR = "a person's report through the journal"

_ORIGIN = Origin(source="journal", license=UNSTATED, kind="narrative")
_PROVENANCE = Provenance(kind="narrative", generator=GENERATOR)
_TABLES = frozenset({"reflections", "outcomes", "journal_version"})
_REPORTED = """
    SELECT reflections.rowid, reflections.id, conversation, answer, outcomes.text, outcomes.weight
    FROM reflections JOIN outcomes ON outcomes.reflection_id = reflections.id
    ORDER BY created, reflections.id
"""


class Said(Foreign):
    """One turn of the conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Reported(Foreign):
    """A reflection with its outcome."""

    id: Key
    conversation: Annotated[list[Said], Field(min_length=1)]
    answer: str
    text: str
    weight: Annotated[int, Field(ge=-3, le=3)] | None


def read_journal(tally: Tally) -> Iterator[Found]:
    """One row for each reflection with a reported outcome."""
    path = tally.path
    if not path.is_file():
        tally.fault(str(path), "file", "is not there, or is no plain file")
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            _distrust(connection)
            if (reason := _not_a_journal(connection)) is not None:
                tally.fault(str(path), "file", f"is no journal: {reason}")
                return
            for rowid, *columns in connection.execute(_REPORTED):
                yield from _found(f"{path}[{rowid}]", columns, tally)
            tally.skip("reflections without a reported outcome", _unreported(connection))
    except sqlite3.Error as error:
        tally.fault(str(path), "file", f"is no journal that can be read: {error}")


def _distrust(connection: sqlite3.Connection) -> None:
    """Let the file's own schema run nothing, and no value be larger than a row may be."""
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_LINE_BYTES)


def _not_a_journal(connection: sqlite3.Connection) -> str | None:
    # Tables only: a view of that name would be a program of somebody else's.
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    missing = _TABLES - {name for (name,) in found}
    if missing:
        return f"it has no table {', '.join(sorted(missing))}"
    versions = connection.execute("SELECT version_num FROM journal_version").fetchmany(2)
    if len(versions) != 1 or versions[0][0] not in VERSIONS:
        told = ", ".join(repr(version) for (version,) in versions) or "none"
        return f"its version is {told}, expected {', '.join(sorted(VERSIONS))}"
    return None


def _found(where: str, columns: list[object], tally: Tally) -> Iterator[Found]:
    values = dict(zip(("id", "conversation", "answer", "text", "weight"), columns, strict=True))
    try:
        values["conversation"] = from_json(str(values["conversation"]))
    except ValueError as error:
        tally.fault(where, "conversation", f"is no JSON: {error}")
        return
    try:
        reported = Reported.model_validate(values)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=False, include_input=False):
            tally.fault(where, ".".join(map(str, fault["loc"])), fault["msg"])
        return
    if not reported.answer.strip():
        tally.skip("reflections that answered without a word")
        return
    try:
        said = tuple(Message(role=each.role, content=each.content) for each in reported.conversation)
        row = _ORIGIN.row(
            id=f"journal-{reported.id}",
            situation_id=_situation(said),
            said=said,
            response=reported.answer,
            consequence=Consequence(impact=reported.text, weight=reported.weight),
        )
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=False, include_input=False):
            tally.fault(where, ".".join(map(str, fault["loc"])) or "conversation", fault["msg"])
        return
    yield Found(where, row.model_copy(update={"provenance": _PROVENANCE}))


def _situation(said: tuple[Message, ...]) -> str:
    # A conversation that goes on repeats its beginning: what begins alike is one family, which no split divides.
    opening = next((each.content for each in said if each.role == "user"), said[0].content)
    return f"journal-{digest(opening)}/{digest(*(each.role + each.content for each in said))}"


def _unreported(connection: sqlite3.Connection) -> int:
    unreported = "SELECT count(*) FROM reflections WHERE id NOT IN (SELECT reflection_id FROM outcomes)"
    (count,) = connection.execute(unreported).fetchone()
    return int(count)


JOURNAL = Importer("A server's journal (SQLite): outcomes that people reported.", UNSTATED, read_journal)
