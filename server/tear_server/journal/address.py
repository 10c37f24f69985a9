"""Where a journal is: `sqlite:///path` or `postgresql://…`; the driver is our choice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from tear_chain.errors import InvalidRequest

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}
_EXPECTED = "Expected sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE."


@dataclass(frozen=True, slots=True)
class Address:
    """A database that can hold a journal."""

    url: URL
    """With its driver; SQLAlchemy leaves the password out of its `repr`."""

    @property
    def file(self) -> Path | None:
        """SQLite's file; None for a server."""
        return Path(self.url.database or "") if self.url.get_backend_name() == "sqlite" else None

    @property
    def shown(self) -> str:
        """For people: without the password, and without the driver, which nobody chose."""
        return self.url.set(drivername=self.url.get_backend_name()).render_as_string(hide_password=True)


def read_address(text: str) -> Address:
    """The address that `text` is; `InvalidRequest` says what is wrong and never repeats a password."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as exc:
        raise InvalidRequest(f"journal is no URL. {_EXPECTED}", param="journal") from exc
    driver = DRIVERS.get(url.drivername)
    if driver is None:
        raise InvalidRequest(f"journal begins with {url.drivername}://. {_EXPECTED}", param="journal")
    address = Address(url.set(drivername=driver))
    if address.file is not None:
        _check_file_url(url)
    return address


def _check_file_url(url: URL) -> None:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise InvalidRequest(
            "journal names no file: nothing would be kept. Write sqlite:///PATH (four slashes for an absolute one).",
            param="journal",
        )
    if url.host or url.query:
        raise InvalidRequest("journal takes a path and nothing else: sqlite:///PATH.", param="journal")
