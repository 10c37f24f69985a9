from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tear_chain.conversation import Conversation, Message, Role
from tear_chain.words import Decision, Scene, Status
from tear_server.journal.address import Address
from tear_server.journal.entry import Entry, ReportedOutcome, StoredReflection
from tear_server.journal.store import PURGE_BATCH, Store, open_store

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
ENTRY = Entry(
    id="refl-1",
    created=NOON,
    model="tear-nano",
    adapter="witness-1",
    conversation=Conversation.of(
        [
            Message(Role.SYSTEM, "Be kind. 漢字 👩‍👩‍👧‍👦"),
            Message(Role.USER, "Am I any good?"),
            Message(Role.ASSISTANT, "Yes."),
            Message(Role.USER, "Really?"),
        ]
    ),
    draft="Slow hands.",
    witness=Scene("a beginner", "She closes the lid.", "Silence.", -2),
    expected_weight=-1.75,
    decision=Decision.REVISE,
    revise_probability=0.9375,
    answer="Thirty days make a start!",
    status=Status.COMPLETE,
)
BARE = replace(
    ENTRY, adapter=None, witness=Scene(), expected_weight=None, decision=None, revise_probability=None, answer=""
)


def outcome(text: str = "She plays again.", weight: int | None = 2) -> ReportedOutcome:
    return ReportedOutcome(NOON, text, weight)


@pytest.mark.parametrize("entry", [ENTRY, BARE], ids=["whole", "bare"])
async def test_what_is_found_is_what_was_written(store: Store, entry: Entry) -> None:
    await store.write(entry)
    assert await store.find(entry.id) == StoredReflection(entry, None)


async def test_a_time_of_any_zone_is_kept_in_utc(store: Store, asked: Callable[..., list[Any]]) -> None:
    tokyo = timezone(timedelta(hours=9))
    await store.write(replace(ENTRY, created=NOON.astimezone(tokyo)))
    assert asked("SELECT created FROM reflections") == [("2025-03-01 12:00:00.000000",)]
    found = await store.find("refl-1")
    assert found is not None
    assert (found.entry.created, found.entry.created.tzinfo) == (NOON, UTC)


@pytest.mark.parametrize("unknown", ["refl-2", "", "refl-1\0", "' OR 1=1 --", "x" * 100_000])
async def test_an_unknown_id_finds_nothing(store: Store, unknown: str) -> None:
    await store.write(ENTRY)
    assert await store.find(unknown) is None
    assert await store.report(unknown, outcome()) is None


async def test_a_nul_is_kept_as_a_lost_character(store: Store) -> None:
    await store.write(replace(ENTRY, draft="a\0b"))
    found = await store.find("refl-1")
    assert found is not None
    assert found.entry.draft == "a\ufffdb"


async def test_a_second_report_replaces_the_first(store: Store, asked: Callable[..., list[Any]]) -> None:
    await store.write(ENTRY)
    first = await store.report("refl-1", outcome("She left.", -1))
    second = await store.report("refl-1", outcome("She came back.", None))
    assert first is not None
    assert second is not None
    assert (first.is_new, second.is_new) == (True, False)
    assert await store.find("refl-1") == StoredReflection(ENTRY, outcome("She came back.", None))
    assert asked("SELECT count(*) FROM outcomes") == [(1,)]


@pytest.mark.parametrize(
    ("weights", "firsts"),
    [
        ([2], [True]),
        ([None, 2, 2], [False, True, False]),
        ([2, None, 1], [True, False, False]),
        ([0, 1], [True, False]),
    ],
    ids=["at once", "later", "withdrawn", "zero is a weight"],
)
async def test_only_one_report_is_the_first_with_a_weight(
    store: Store, weights: list[int | None], firsts: list[bool]
) -> None:
    await store.write(ENTRY)
    reports = [await store.report("refl-1", outcome(weight=weight)) for weight in weights]
    assert [each.is_first_weight for each in reports if each] == firsts


async def test_first_reports_at_the_same_time_are_one_first_and_many_after(
    store: Store, asked: Callable[..., list[Any]]
) -> None:
    await store.write(ENTRY)
    reports = await asyncio.gather(*(store.report("refl-1", outcome(weight=1)) for _ in range(16)))
    assert sum(each.is_new for each in reports if each) == 1
    assert sum(each.is_first_weight for each in reports if each) == 1
    assert asked("SELECT count(*) FROM outcomes") == [(1,)]


async def test_all_of_many_at_once_are_there(store: Store, asked: Callable[..., list[Any]]) -> None:
    await asyncio.gather(*(store.write(replace(ENTRY, id=f"refl-{number}")) for number in range(64)))
    assert {found for (found,) in asked("SELECT id FROM reflections")} == {f"refl-{number}" for number in range(64)}


async def test_two_servers_may_write_to_one_file(
    store: Store, address: Address, asked: Callable[..., list[Any]]
) -> None:
    async with open_store(address, create=True) as other:
        work = [(store, other)[number % 2].write(replace(ENTRY, id=f"refl-{number}")) for number in range(32)]
        await asyncio.gather(*work)
    assert asked("SELECT count(*) FROM reflections") == [(32,)]


async def test_a_purge_takes_what_is_older_and_its_outcomes(store: Store, asked: Callable[..., list[Any]]) -> None:
    for days in range(4):
        await store.write(replace(ENTRY, id=f"refl-{days}", created=NOON - timedelta(days=days)))
        await store.report(f"refl-{days}", outcome())
    assert await store.purge(NOON - timedelta(days=1)) == 2
    assert asked("SELECT id FROM reflections ORDER BY id") == [("refl-0",), ("refl-1",)]
    assert asked("SELECT reflection_id FROM outcomes ORDER BY 1") == [("refl-0",), ("refl-1",)]
    assert await store.purge(NOON - timedelta(days=1)) == 0


@pytest.mark.parametrize("more", [0, 1], ids=["whole batches", "and one"])
async def test_a_purge_goes_on_over_many_batches(store: Store, asked: Callable[..., list[Any]], more: int) -> None:
    await store.write(ENTRY)
    count = 2 * PURGE_BATCH + more
    numbers = "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
    others = "created, model, conversation, draft, answer, status"
    asked(f"INSERT INTO reflections (id, {others}) {numbers} SELECT 'refl-' || i, {others} FROM n, reflections", count)
    assert await store.purge(NOON + timedelta(seconds=1)) == count
    assert asked("SELECT count(*) FROM reflections") == [(0,)]


async def test_what_was_purged_is_not_in_the_file(address: Address, file: Path) -> None:
    async with open_store(address, create=True) as store:
        await store.write(replace(ENTRY, draft="Zanzibar " * 50))
        await store.report("refl-1", outcome("Timbuktu " * 50))
        await store.purge(NOON + timedelta(days=1))
    left = b"".join(path.read_bytes() for path in file.parent.iterdir())
    assert (b"Zanzibar" in left, b"Timbuktu" in left) == (False, False)


async def test_only_its_owner_may_read_the_file(store: Store, file: Path) -> None:
    await store.write(ENTRY)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    assert modes == {f"{file.name}{end}": 0o600 for end in ("", "-wal", "-shm")}


async def test_sqlite_keeps_what_it_acknowledges(store: Store, asked: Callable[..., list[Any]]) -> None:
    async with store._writer.connect() as connection:
        settings = {
            name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 3000}
