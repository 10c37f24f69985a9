"""Reflections, and one outcome to each.

It spells the tables out rather than import them: what a version made never changes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "reflections",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("adapter", sa.Text),
        sa.Column("conversation", sa.JSON, nullable=False),
        sa.Column("draft", sa.Text, nullable=False),
        sa.Column("who", sa.Text),
        sa.Column("impact", sa.Text),
        sa.Column("ripples", sa.Text),
        sa.Column("weight", sa.SmallInteger),
        sa.Column("expected_weight", sa.Double),
        sa.Column("decision", sa.Text),
        sa.Column("revise_probability", sa.Double),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
    )
    op.create_index("ix_reflections_created", "reflections", ["created"])
    op.create_table(
        "outcomes",
        sa.Column("reflection_id", sa.Text, sa.ForeignKey("reflections.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("reported", sa.DateTime(timezone=True), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("weight", sa.SmallInteger),
        sa.Column("weighed", sa.Boolean, nullable=False),
    )
