"""Alembic's environment: one script for each version of the journal."""
