"""The laws of the journal once more, on a real PostgreSQL that the tests start and end."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from live.conftest import free_port

# With the fixtures of this module, these ask PostgreSQL.
from server.journal.test_journal import (  # noqa: F401
    clock,
    service,
    test_an_answered_reflection_is_kept_whole,
    test_it_is_committed_before_the_last_event_goes_out,
    test_of_many_at_once_all_are_kept,
    test_old_reflections_are_purged_at_the_start_and_every_hour,
)
from server.journal.test_migrate import (  # noqa: F401
    opened,
    refusal,
    test_a_newer_journal_is_refused_and_left_alone,
    test_servers_that_start_together_migrate_in_turn,
)
from server.journal.test_store import (  # noqa: F401
    test_a_nul_is_kept_as_a_lost_character,
    test_a_purge_goes_on_over_many_batches,
    test_a_purge_takes_what_is_older_and_its_outcomes,
    test_a_second_report_replaces_the_first,
    test_all_of_many_at_once_are_there,
    test_an_unknown_id_finds_nothing,
    test_first_reports_at_the_same_time_are_one_first_and_many_after,
    test_only_one_report_is_the_first_with_a_weight,
    test_two_servers_may_write_to_one_file,
    test_what_is_found_is_what_was_written,
)

from tear_server.journal.address import Address, read_address
from tear_server.journal.tables import VERSION_TABLE, metadata

POSTGRES = shutil.which("postgres") or next(map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))), None)
ROOT = 0
_names = count()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a PostgreSQL, without a database."""
    if POSTGRES is None:  # CI installs it, and refuses skips
        pytest.skip("postgres is not there, and these tests run a real one. On Debian: apt-get install postgresql")
    programs, port, user = Path(POSTGRES).resolve().parent, free_port(), "postgres"
    folder = Path(tempfile.mkdtemp(prefix="tear-postgresql-"))  # pytest's own folders are open to nobody else
    as_user: list[str] = []
    if os.getuid() == ROOT:  # which PostgreSQL refuses
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        shutil.chown(folder, user)
    data = folder / "data"
    quick = "-c fsync=off -c full_page_writes=off"
    asked = [programs / "initdb", "-D", data, "-U", user, "-A", "trust", "--no-sync", "--locale=C.UTF-8", "-E", "UTF8"]
    subprocess.run([*as_user, *asked], check=True, stdout=subprocess.DEVNULL, cwd="/")
    control = [*as_user, programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log"]
    listening = f"-p {port} -h 127.0.0.1 -k {folder} {quick}"
    subprocess.run([*control, "-o", listening, "start"], check=True, stdout=subprocess.DEVNULL, cwd="/")
    try:
        yield f"postgresql://{user}@127.0.0.1:{port}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, stdout=subprocess.DEVNULL, cwd="/")
        shutil.rmtree(folder)


@pytest.fixture
def url(server: str) -> str:
    """A new database."""
    name = f"journal_{next(_names)}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    return f"{server}/{name}"


@pytest.fixture
def address(url: str) -> Address:
    return read_address(url)


@pytest.fixture
def asked(url: str) -> Callable[..., list[Any]]:
    """SQL asked from outside: what it answers is committed."""

    def ask(sql: str, *values: object) -> list[Any]:
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(sql.replace("?", "%s"), values)  # type: ignore[call-overload]
            return [] if cursor.description is None else list(cursor.fetchall())

    return ask


def test_a_time_is_kept_with_its_zone(address: Address, asked: Callable[..., list[Any]]) -> None:
    asyncio.run(opened(address))
    kinds = asked("SELECT data_type FROM information_schema.columns WHERE column_name IN ('created', 'reported')")
    assert {kind for (kind,) in kinds} == {"timestamp with time zone"}


def test_the_migrations_end_in_the_tables_that_are_used(address: Address) -> None:
    asyncio.run(opened(address))
    engine = sa.create_engine(address.url)
    with engine.connect() as connection:
        options = {"compare_type": True, "version_table": VERSION_TABLE, "target_metadata": metadata}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
    engine.dispose()


def test_a_migration_that_fails_leaves_nothing_behind(address: Address, asked: Callable[..., list[Any]]) -> None:
    asked("CREATE TABLE outcomes (mine TEXT)")
    assert "already exists" in refusal(address).message
    assert asked("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'") == [("outcomes",)]


def test_a_database_that_is_not_there_is_told(server: str) -> None:
    assert "does not exist" in refusal(read_address(f"{server}/absent")).message
