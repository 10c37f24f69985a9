"""What Alembic runs: the migrations, inside the transaction of the connection that it is handed."""

from __future__ import annotations

from alembic import context

from tear_server.journal.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
