"""The journal's tables, as the newest migration leaves them.

SQL is kept to what SQLite and PostgreSQL share; tests run it on both.
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

VERSION_TABLE = "journal_version"


class Prose(sa.TypeDecorator[str]):
    """Text that any database takes: PostgreSQL knows no NUL, so it is kept as the sign for a lost character."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """On the way in."""
        return None if value is None else value.replace("\0", "\ufffd")


class Moment(sa.TypeDecorator[datetime]):
    """A time in UTC, also where the database keeps no zone beside it."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """On the way in."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """On the way out."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = sa.MetaData()

reflections = sa.Table(
    "reflections",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("created", Moment, nullable=False, index=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("adapter", sa.Text),
    sa.Column("conversation", sa.JSON, nullable=False),
    sa.Column("draft", Prose, nullable=False),
    sa.Column("who", Prose),
    sa.Column("impact", Prose),
    sa.Column("ripples", Prose),
    sa.Column("weight", sa.SmallInteger),
    sa.Column("expected_weight", sa.Double),
    sa.Column("decision", sa.Text),
    sa.Column("revise_probability", sa.Double),
    sa.Column("answer", Prose, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
)
"""`conversation` is a list of `{role, content}`; who … weight are the foreseen scene of `draft`."""

outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("reflection_id", sa.Text, sa.ForeignKey("reflections.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("reported", Moment, nullable=False),
    sa.Column("text", Prose, nullable=False),
    sa.Column("weight", sa.SmallInteger),
    sa.Column("weighed", sa.Boolean, nullable=False),
)
"""`weighed` says whether any report so far had a weight: the error of a prediction is counted once."""
