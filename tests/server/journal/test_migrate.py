from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tear_chain.errors import TearError
from tear_server.journal.address import Address, read_address
from tear_server.journal.errors import JournalError
from tear_server.journal.store import open_store
from tear_server.journal.tables import VERSION_TABLE, metadata


async def opened(address: Address, *, create: bool = True, busy_ms: int = 1000) -> None:
    async with open_store(address, create=create, busy_ms=busy_ms):
        pass


def refusal(address: Address, *, create: bool = True) -> TearError:
    with pytest.raises(JournalError) as refused:
        asyncio.run(opened(address, create=create, busy_ms=1))
    assert refused.value.param == "journal"
    assert address.shown in refused.value.message
    return refused.value


def tables(asked: Callable[..., list[Any]]) -> set[str]:
    return {name for (name,) in asked("SELECT name FROM sqlite_master WHERE type = 'table'")}


@pytest.mark.parametrize("is_there", [False, True], ids=["no file", "empty file"])
def test_nothing_becomes_a_journal(
    address: Address, file: Path, asked: Callable[..., list[Any]], is_there: bool
) -> None:
    if is_there:
        file.touch()
    asyncio.run(opened(address))
    assert tables(asked) == {"reflections", "outcomes", VERSION_TABLE}
    assert asked(f"SELECT * FROM {VERSION_TABLE}") == [("0001",)]


def test_a_journal_that_is_up_to_date_is_left_alone(address: Address, file: Path) -> None:
    asyncio.run(opened(address))
    before = file.read_bytes()
    for create in (True, False):
        asyncio.run(opened(address, create=create))
    assert file.read_bytes() == before


def test_the_migrations_end_in_the_tables_that_are_used(address: Address, file: Path) -> None:
    asyncio.run(opened(address))
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "version_table": VERSION_TABLE, "target_metadata": metadata}
        )
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_servers_that_start_together_migrate_in_turn(address: Address, asked: Callable[..., list[Any]]) -> None:
    async def together() -> None:
        await asyncio.gather(*(opened(address) for _ in range(8)))

    asyncio.run(together())
    assert asked(f"SELECT * FROM {VERSION_TABLE}") == [("0001",)]


def test_a_newer_journal_is_refused_and_left_alone(address: Address, asked: Callable[..., list[Any]]) -> None:
    asyncio.run(opened(address))
    asked(f"UPDATE {VERSION_TABLE} SET version_num = '0099'")
    for create in (True, False):
        told = refusal(address, create=create).sentence()
        assert ("0099" in told, "newer than this program" in told, "Update the program" in told) == (True,) * 3
    assert asked(f"SELECT * FROM {VERSION_TABLE}") == [("0099",)]


def test_a_migration_that_fails_leaves_nothing_behind(address: Address, asked: Callable[..., list[Any]]) -> None:
    asked("CREATE TABLE outcomes (mine TEXT)")
    assert "already exists" in refusal(address).message
    assert tables(asked) == {"outcomes"}


@pytest.mark.parametrize("create", [True, False], ids=["server", "command"])
def test_a_file_that_is_no_database_is_refused(address: Address, file: Path, create: bool) -> None:
    file.write_text("Dear diary, " * 100)
    assert "not a database" in refusal(address, create=create).message
    assert file.read_text() == "Dear diary, " * 100


def test_a_foreign_database_is_no_journal_to_a_command(
    address: Address, file: Path, asked: Callable[..., list[Any]]
) -> None:
    asked("CREATE TABLE diary (day TEXT)")
    before = file.read_bytes()
    assert "holds no journal" in refusal(address, create=False).message
    assert file.read_bytes() == before


def test_a_command_makes_no_file(address: Address, file: Path) -> None:
    assert "there is no file" in refusal(address, create=False).message
    assert not file.exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "No such file" in refusal(read_address(f"sqlite:///{tmp_path}/absent/journal.db")).message
    assert "no plain file" in refusal(read_address(f"sqlite:///{tmp_path}")).message


def test_a_journal_that_is_locked_is_told(address: Address, file: Path) -> None:
    with closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "locked" in refusal(address).message


def test_a_database_server_that_is_away_is_told_without_the_password() -> None:
    told = refusal(read_address("postgresql://tear:s3cret@127.0.0.1:1/tear")).sentence()
    assert "s3cret" not in told
