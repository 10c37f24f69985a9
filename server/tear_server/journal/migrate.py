"""The journal's version: brought up to date by a server, only checked by everybody else."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from tear_server.journal.errors import JournalError
from tear_server.journal.tables import VERSION_TABLE

_LOCK = 0x7EA2
"""PostgreSQL's advisory lock: two servers that start together migrate in turn. SQLite's write lock does it there."""


def upgrade(connection: sa.Connection) -> None:
    """Bring the database up to the newest version; `JournalError` for one that is newer than this program.

    The connection is in a transaction, and all is done in it: a migration that fails leaves nothing behind.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    config = _config()
    _refuse_newer(connection, ScriptDirectory.from_config(config))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def check(connection: sa.Connection) -> None:
    """Raise `JournalError` unless the database is a journal of this program's version."""
    script = ScriptDirectory.from_config(_config())
    version = _refuse_newer(connection, script)
    if version is None:
        raise JournalError("It holds no journal. A server started with --journal makes one.")
    if version != script.get_current_head():
        raise JournalError(f"It is a journal of version {version}. Start a server of this version on it once.")


def _refuse_newer(connection: sa.Connection, script: ScriptDirectory) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    version = context.get_current_revision()
    if version is not None and version not in {known.revision for known in script.walk_revisions()}:
        raise JournalError(
            f"It is a journal of version {version}, newer than this program, which knows up to "
            f"{script.get_current_head()}. Update the program, or name another journal."
        )
    return version


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "tear_server.journal:migrations")
    config.set_main_option("path_separator", "os")
    return config
