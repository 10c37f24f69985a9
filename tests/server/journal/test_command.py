from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tear_chain.conversation import Conversation
from tear_chain.words import Decision, Scene, Status
from tear_server.journal.address import Address
from tear_server.journal.command import journal_app
from tear_server.journal.entry import Entry, ReportedOutcome
from tear_server.journal.errors import JournalError, ReflectionNotFound
from tear_server.journal.store import open_store

ENTRY = Entry(
    id="refl-0",
    created=datetime.now(UTC),
    model="tear-nano",
    adapter="witness-1",
    conversation=Conversation.asking("Am I any good? 漢字"),
    draft="Slow hands.",
    witness=Scene(impact="She closes the lid.", weight=-2),
    expected_weight=None,
    decision=Decision.KEEP,
    revise_probability=None,
    answer="Slow hands.\x1b[2J\x9b\u202e",
    status=Status.MALFORMED,
)
runner = CliRunner(env={"COLUMNS": "120", "NO_COLOR": "1", "TEAR_JOURNAL": None})


@pytest.fixture
def journal(address: Address) -> str:
    """The URL of a journal with reflections of 0, 10, 40 and 400 days, each with an outcome."""

    async def fill() -> None:
        async with open_store(address, create=True) as store:
            for days in (0, 10, 40, 400):
                entry = replace(ENTRY, id=f"refl-{days}", created=ENTRY.created - timedelta(days=days))
                await store.write(entry)
                await store.report(entry.id, ReportedOutcome(ENTRY.created, "She plays.", 2))

    asyncio.run(fill())
    return address.shown


def left(asked: Callable[..., list[Any]]) -> list[str]:
    assert asked("SELECT count(*) FROM outcomes") == asked("SELECT count(*) FROM reflections")
    return [found for (found,) in asked("SELECT id FROM reflections ORDER BY created DESC")]


def test_a_reflection_is_shown_with_its_outcome(journal: str) -> None:
    result = runner.invoke(journal_app, ["show", "refl-10", "--journal", journal])
    shown = json.loads(result.stdout)
    assert (shown["id"], shown["status"], shown["answer"]) == ("refl-10", "malformed", ENTRY.answer)
    assert (shown["outcome"]["text"], shown["outcome"]["weight"]) == ("She plays.", 2)
    assert "漢字" in result.stdout


def test_what_is_shown_commands_no_terminal(journal: str) -> None:
    result = runner.invoke(journal_app, ["show", "refl-0", "--journal", journal])
    assert result.exit_code == 0
    assert all(sign.isprintable() or sign == "\n" for sign in result.stdout)


def test_the_journal_may_come_from_the_environment(journal: str) -> None:
    result = runner.invoke(journal_app, ["show", "refl-0"], env={"TEAR_JOURNAL": journal})
    assert json.loads(result.stdout)["id"] == "refl-0"


def test_an_unknown_reflection_is_named(journal: str) -> None:
    result = runner.invoke(journal_app, ["show", "refl-7\x1b", "--journal", journal])
    assert isinstance(result.exception, ReflectionNotFound)
    assert "refl-7\\u001b" in result.exception.message


@pytest.mark.parametrize(
    ("age", "kept"),
    [("30d", ["refl-0", "refl-10"]), ("8w", ["refl-0", "refl-10", "refl-40"]), ("1h", ["refl-0"])],
)
def test_a_purge_takes_what_is_older_and_says_how_many(
    journal: str, asked: Callable[..., list[Any]], age: str, kept: list[str]
) -> None:
    result = runner.invoke(journal_app, ["purge", "--older-than", age, "--journal", journal])
    assert result.stdout.startswith(f"{4 - len(kept)} reflections purged")
    assert left(asked) == kept


@pytest.mark.parametrize("age", ["", "0d", "-1d", "30", "d", "30 d", "1.5d", "30D", "999999w", "٣d", "30d\n"])
def test_what_is_no_age_is_refused_and_nothing_purged(journal: str, asked: Callable[..., list[Any]], age: str) -> None:
    result = runner.invoke(journal_app, ["purge", f"--older-than={age}", "--journal", journal])
    assert (result.exit_code, "--older-than" in result.stderr) == (2, True)
    assert len(left(asked)) == 4


@pytest.mark.parametrize("arguments", [["show", "refl-0"], ["purge", "--older-than", "1d"]], ids=["show", "purge"])
def test_a_command_needs_a_journal_and_makes_none(address: Address, file: Path, arguments: list[str]) -> None:
    assert runner.invoke(journal_app, arguments).exit_code == 2
    result = runner.invoke(journal_app, [*arguments, "--journal", address.shown])
    assert isinstance(result.exception, JournalError)
    assert not file.exists()


def test_help_is_quick() -> None:
    loaded = "import sys, tear_server.journal.command; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout.split()
    assert not {"sqlalchemy", "alembic", "fastapi"} & set(modules)
