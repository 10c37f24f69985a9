"""The journal's database: what is written is on the disk when the call returns.

SQL is portable between SQLite and PostgreSQL; tests run it on both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from tear_chain.conversation import Conversation, Message, Role
from tear_chain.words import Decision, Scene, Status
from tear_server.journal.address import Address
from tear_server.journal.entry import Entry, ReportedOutcome, Reporting, StoredReflection
from tear_server.journal.errors import JournalError, JournalFailed
from tear_server.journal.migrate import check, upgrade
from tear_server.journal.tables import outcomes, reflections

WRITE_LIMIT_S = 5.0
"""A database that is slower than this has failed: a person waits for the answer behind it."""
BUSY_MS = 3000
"""How long SQLite waits for another process that writes."""
PURGE_BATCH = 500
"""Deleted in one transaction, so that a purge keeps no answer waiting."""
_CONNECTIONS = 8
_READS = "tear_reads"


class Store:
    """Entries and outcomes in one database. Every method raises `JournalFailed` when the database does not work."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._writer = engine
        self._reader = engine.execution_options(**{_READS: True})
        # SQLite has one writer at a time: waiting here in turn is fairer than polling for its lock.
        self._turn = asyncio.Semaphore(1 if engine.dialect.name == "sqlite" else _CONNECTIONS)

    async def write(self, entry: Entry) -> None:
        """Keep an entry."""
        async with self._writing() as connection:
            await connection.execute(reflections.insert().values(_to_values(entry)))

    async def find(self, reflection_id: str) -> StoredReflection | None:
        """The reflection of that id, with its outcome."""
        joined = reflections.outerjoin(outcomes)
        reported = [column.label(f"outcome_{column.name}") for column in outcomes.columns]
        wanted = (
            sa.select(reflections, *reported).select_from(joined).where(reflections.c.id == _storable(reflection_id))
        )
        async with _translating(), self._reader.connect() as connection:
            row = (await connection.execute(wanted)).mappings().one_or_none()
        if row is None:
            return None
        outcome = None
        if row["outcome_reflection_id"] is not None:
            outcome = ReportedOutcome(row["outcome_reported"], row["outcome_text"], row["outcome_weight"])
        return StoredReflection(_to_entry(row), outcome)

    async def report(self, reflection_id: str, outcome: ReportedOutcome) -> Reporting | None:
        """Keep what came of a reflection, in place of what was reported before; None where there is none of that id."""
        async with self._writing() as connection:
            # Locking its reflection makes two first reports wait for one another on PostgreSQL, too.
            wanted = sa.select(reflections).where(reflections.c.id == _storable(reflection_id)).with_for_update()
            row = (await connection.execute(wanted)).mappings().one_or_none()
            if row is None:
                return None
            mine = outcomes.c.reflection_id == row["id"]
            before = (await connection.execute(sa.select(outcomes).where(mine))).mappings().one_or_none()
            was_weighed = before is not None and before["weighed"]
            values = {
                "reported": outcome.reported,
                "text": outcome.text,
                "weight": outcome.weight,
                "weighed": was_weighed or outcome.weight is not None,
            }
            if before is None:
                await connection.execute(outcomes.insert().values(reflection_id=row["id"], **values))
            else:
                await connection.execute(outcomes.update().where(mine).values(values))
        return Reporting(
            entry=_to_entry(row),
            outcome=outcome,
            is_new=before is None,
            is_first_weight=outcome.weight is not None and not was_weighed,
        )

    async def purge(self, before: datetime) -> int:
        """Delete what was created before that moment, outcomes with it; how many reflections it was."""
        old = sa.select(reflections.c.id).where(reflections.c.created < before)
        batch = old.order_by(reflections.c.created).limit(PURGE_BATCH)
        purged = 0
        while True:
            async with self._writing() as connection:
                deleted = (await connection.execute(reflections.delete().where(reflections.c.id.in_(batch)))).rowcount
            purged += deleted
            if deleted < PURGE_BATCH:
                return purged

    @asynccontextmanager
    async def _writing(self) -> AsyncGenerator[AsyncConnection]:
        async with _translating(), asyncio.timeout(WRITE_LIMIT_S), self._turn, self._writer.begin() as connection:
            yield connection


@asynccontextmanager
async def open_store(address: Address, *, create: bool, busy_ms: int = BUSY_MS) -> AsyncGenerator[Store]:
    """The store at an address, closed at the end; `JournalError` says why it cannot be used.

    `create` makes it or brings it up to this program's version; otherwise it must be of that version.
    """
    _check_file(address, create=create)
    engine = _engine(address, busy_ms=busy_ms, create=create)
    try:
        try:
            async with engine.execution_options(**{_READS: not create}).begin() as connection:
                await connection.run_sync(upgrade if create else check)
        except JournalError as exc:
            raise JournalError(f"{address.shown} cannot be used. {exc.message}", param="journal") from exc
        except (SQLAlchemyError, OSError) as exc:
            raise JournalError(f"{address.shown} cannot be used: {_reason(exc)}.", param="journal") from exc
        yield Store(engine)
    finally:
        await engine.dispose()


def _check_file(address: Address, *, create: bool) -> None:
    file = address.file
    if file is None or file.is_file():
        return
    if file.exists():
        raise JournalError(f"{address.shown} cannot be used: {file} is no plain file.", param="journal")
    if not create:
        raise JournalError(f"{address.shown} cannot be used: there is no file {file}.", param="journal")
    try:
        # What people wrote is for the server's own user; SQLite gives its side files the same mode.
        file.touch(mode=0o600)
    except OSError as exc:
        raise JournalError(f"{address.shown} cannot be made: {exc.strerror}.", param="journal") from exc


def _engine(address: Address, *, busy_ms: int, create: bool) -> AsyncEngine:
    engine = create_async_engine(
        address.url,
        hide_parameters=True,  # errors end up in logs, and parameters are what people wrote
        pool_size=_CONNECTIONS,
        max_overflow=0,
        pool_timeout=WRITE_LIMIT_S,
        pool_pre_ping=address.file is None,
        connect_args={"connect_timeout": int(WRITE_LIMIT_S)} if address.file is None else {},
    )
    if address.file is None:
        return engine

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _: object) -> None:
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={busy_ms}",
            *(["journal_mode=WAL"] if create else []),  # it stays in the file: none that is not ours is touched
            "synchronous=FULL",  # in WAL, NORMAL may lose the last commits with the power
            "foreign_keys=ON",
            "secure_delete=ON",  # what was purged is not to be found in the file's free pages
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: sa.Connection) -> None:
        # The driver would begin only before the first write: too late for DDL, and what was read until then may be old.
        reads = connection.get_execution_options().get(_READS)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


@asynccontextmanager
async def _translating() -> AsyncGenerator[None]:
    try:
        yield
    except (SQLAlchemyError, OSError, ValueError) as exc:  # ValueError: a driver on what it cannot send
        raise JournalFailed(f"The journal failed: {_reason(exc)}.") from exc


def _reason(error: Exception) -> str:
    """Why it failed, on one line and without a statement's parameters."""
    if isinstance(error, TimeoutError):
        return f"it took longer than {WRITE_LIMIT_S:g} seconds"
    told = str(error.orig if isinstance(error, DBAPIError) and error.orig else error).strip()
    return (told.splitlines() or [type(error).__name__])[0].rstrip(".")


def _storable(reflection_id: str) -> str:
    # PostgreSQL cannot even be asked for a NUL, which is in no id.
    return reflection_id.replace("\0", "\ufffd")


def _to_values(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "created": entry.created,
        "model": entry.model,
        "adapter": entry.adapter,
        "conversation": [{"role": said.role.value, "content": said.text} for said in entry.conversation.messages],
        "draft": entry.draft,
        "who": entry.witness.who,
        "impact": entry.witness.impact,
        "ripples": entry.witness.ripples,
        "weight": entry.witness.weight,
        "expected_weight": entry.expected_weight,
        "decision": entry.decision,
        "revise_probability": entry.revise_probability,
        "answer": entry.answer,
        "status": entry.status,
    }


def _to_entry(row: sa.RowMapping) -> Entry:
    said: Sequence[dict[str, str]] = row["conversation"]
    return Entry(
        id=row["id"],
        created=row["created"].astimezone(UTC),
        model=row["model"],
        adapter=row["adapter"],
        conversation=Conversation(tuple(Message(Role(each["role"]), each["content"]) for each in said)),
        draft=row["draft"],
        witness=Scene(row["who"], row["impact"], row["ripples"], row["weight"]),
        expected_weight=row["expected_weight"],
        decision=None if row["decision"] is None else Decision(row["decision"]),
        revise_probability=row["revise_probability"],
        answer=row["answer"],
        status=Status(row["status"]),
    )
