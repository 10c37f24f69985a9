from __future__ import annotations

from pathlib import Path

import pytest

from tear_chain.errors import InvalidRequest
from tear_server.journal.address import read_address
from tear_server.serve import serve
from tear_server.settings import ServerSettings


@pytest.mark.parametrize(
    ("text", "driver", "file"),
    [
        ("sqlite:///journal.db", "sqlite+aiosqlite", Path("journal.db")),
        ("sqlite:////var/journal.db", "sqlite+aiosqlite", Path("/var/journal.db")),
        ("postgresql://db/tear", "postgresql+psycopg", None),
    ],
    ids=["relative", "absolute", "server"],
)
def test_the_driver_is_our_choice(text: str, driver: str, file: Path | None) -> None:
    address = read_address(text)
    assert (address.url.drivername, address.file, address.shown) == (driver, file, text)


def test_a_password_is_used_and_never_shown() -> None:
    address = read_address("postgresql://tear:s3cret@db/tear")
    assert address.url.password == "s3cret"
    assert "s3cret" not in address.shown + repr(address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "journal.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory&uri=true",
        "sqlite://host/journal.db",
        "sqlite:///journal.db?timeout=s3cret",
        "mysql://tear:s3cret@db/tear",
        "postgresql+asyncpg://tear:s3cret@db/tear",
        "postgresql://tear:s3cret@db:many/tear",
    ],
)
def test_an_address_that_holds_no_journal_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_address(text)
    assert refused.value.param == "journal"
    assert "s3cret" not in refused.value.sentence()


async def test_a_server_with_a_bad_address_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await serve(ServerSettings(base=tmp_path, adapter=tmp_path, port=0, journal="mysql://db/tear"))
    assert refused.value.param == "journal"


def test_settings_do_not_show_the_password() -> None:
    settings = ServerSettings(base=Path("b"), adapter=Path("a"), journal="postgresql://tear:s3cret@db/tear")
    assert "s3cret" not in repr(settings) + str(settings.model_dump())
