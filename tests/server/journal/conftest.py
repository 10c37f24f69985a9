from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tear_server.journal.address import Address, read_address
from tear_server.journal.store import Store, open_store


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def address(file: Path) -> Address:
    return read_address(f"sqlite:///{file}")


@pytest.fixture
async def store(address: Address) -> AsyncIterator[Store]:
    async with open_store(address, create=True) as opened:
        yield opened


@pytest.fixture
def asked(file: Path) -> Callable[..., list[Any]]:
    """SQL asked of the file from outside: what it answers is committed."""

    def ask(sql: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(file)) as connection, connection:
            return connection.execute(sql, values).fetchall()

    return ask
