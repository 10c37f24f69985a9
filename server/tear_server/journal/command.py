"""The `tear journal` commands. Importing this is cheap: what a command needs loads when it runs."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tear_server.journal.address import Address
    from tear_server.journal.entry import StoredReflection

_AGE = re.compile(r"([0-9]{1,6})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}
_MAX_HOURS = 24 * 36_500

journal_app = typer.Typer(help="Show and purge what a server's journal holds.", no_args_is_help=True)

JournalOption = Annotated[
    str,
    typer.Option("--journal", metavar="URL", envvar="TEAR_JOURNAL", help="sqlite:///PATH or postgresql://…"),
]


@journal_app.command("show")
def show_command(
    reflection_id: Annotated[str, typer.Argument(metavar="ID", help="The reflection's id.")],
    journal: JournalOption,
) -> None:
    """Print a reflection with its outcome, as JSON."""
    from tear_server.journal.address import read_address
    from tear_server.journal.entry import dump_stored
    from tear_server.journal.errors import ReflectionNotFound

    stored = asyncio.run(_find(read_address(journal), reflection_id))
    if stored is None:
        raise ReflectionNotFound(f"The journal holds no reflection {_printable(reflection_id)}.", param="reflection_id")
    typer.echo(_to_json(dump_stored(stored)))


@journal_app.command("purge")
def purge_command(
    older_than: Annotated[str, typer.Option("--older-than", metavar="AGE", help="12h, 30d or 8w.")],
    journal: JournalOption,
) -> None:
    """Delete reflections of that age and older, with their outcomes. A server may go on writing meanwhile."""
    from tear_server.journal.address import read_address

    before = datetime.now(UTC) - read_age(older_than)
    count = asyncio.run(_purge(read_address(journal), before))
    typer.echo(f"{count} reflections purged that were created before {before.isoformat(timespec='seconds')}.")


def read_age(text: str) -> timedelta:
    """How old `12h`, `30d` or `8w` is; a usage error for anything else."""
    found = _AGE.fullmatch(text)
    hours = int(found[1]) * _HOURS[found[2]] if found else 0
    if not 0 < hours <= _MAX_HOURS:
        raise typer.BadParameter(
            f"{text!r} is no age: a number above 0 with h, d or w, such as 30d.", param_hint="--older-than"
        )
    return timedelta(hours=hours)


async def _find(address: Address, reflection_id: str) -> StoredReflection | None:
    from tear_server.journal.store import open_store

    async with open_store(address, create=False) as store:
        return await store.find(reflection_id)


async def _purge(address: Address, before: datetime) -> int:
    from tear_server.journal.store import open_store

    async with open_store(address, create=False) as store:
        return await store.purge(before)


def _to_json(value: dict[str, Any]) -> str:
    return _printable(json.dumps(value, ensure_ascii=False, indent=2))


def _printable(text: str) -> str:
    # A terminal obeys what it is shown. In JSON the escaped sign is the same sign.
    return "".join(sign if sign.isprintable() or sign == "\n" else json.dumps(sign)[1:-1] for sign in text)
