"""The journals are made by the server itself, so this holds the contract between the two houses as well."""

import asyncio
import hashlib
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tear_chain.conversation import Conversation, Message, Role
from tear_chain.words import Decision, Scene, Status
from tear_server.journal.address import read_address
from tear_server.journal.entry import Entry, ReportedOutcome
from tear_server.journal.store import open_store
from tear_training.examples import is_gentle
from tear_training.importers import import_file
from tear_training.importers.journal import GENERATOR, VERSIONS
from tear_training.rows import MAX_LINE_BYTES, Provenance, RowsError, load_rows

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
ENTRY = Entry(
    id="refl-0",
    created=NOON,
    model="tear-nano",
    adapter="witness-1",
    conversation=Conversation.of([Message(Role.SYSTEM, "Be kind."), Message(Role.USER, "Am I any good? 漢字")]),
    draft="Slow hands, dull ears.",
    witness=Scene("a beginner", "She closes the lid.", "Silence.", -2),
    expected_weight=-1.75,
    decision=Decision.REVISE,
    revise_probability=0.9,
    answer="Thirty days make a start!",
    status=Status.COMPLETE,
)
LONGER = Conversation.of([*ENTRY.conversation.messages, Message(Role.ASSISTANT, "Yes."), Message(Role.USER, "Really?")])


def told(text: str, weight: int | None = None) -> ReportedOutcome:
    return ReportedOutcome(NOON, text, weight)


async def fill(file: Path, kept: dict[Entry, ReportedOutcome | None]) -> None:
    async with open_store(read_address(f"sqlite:///{file}"), create=True) as store:
        for entry, outcome in kept.items():
            await store.write(entry)
            if outcome is not None:
                await store.report(entry.id, outcome)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three reflections: one weighed, one reported without a weight, one of which nobody said what came of it."""
    path = tmp_path / "journal.db"
    kept = {
        replace(ENTRY, id="refl-2", created=NOON + timedelta(hours=2), conversation=LONGER): told("She left."),
        ENTRY: told("She plays every day.", 3),
        replace(ENTRY, id="refl-1"): None,
    }
    asyncio.run(fill(path, kept))
    return path


def change(file: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute(sql, values)


def faults_of(file: Path) -> tuple[str, ...]:
    with pytest.raises(RowsError) as caught:
        import_file("journal", file, file.parent / "out")
    assert not [path for path in file.parent.iterdir() if path.name.startswith("out")]
    return caught.value.faults


def test_what_people_reported_becomes_rows_in_the_order_of_the_reflections(file: Path, tmp_path: Path) -> None:
    report = import_file("journal", file, tmp_path / "out")
    first, second = load_rows(tmp_path / "out")
    assert (first.response, first.consequence.impact, first.consequence.weight) == (
        "Thirty days make a start!",
        "She plays every day.",
        3,
    )
    assert [(said.role, said.content) for said in first.conversation] == [
        ("system", "Be kind."),
        ("user", "Am I any good? 漢字"),
    ]
    assert (second.consequence.impact, second.consequence.weight) == ("She left.", None)
    assert report.effects == {"opens": 1, "unweighed": 1}
    assert report.skipped == {"reflections without a reported outcome": 1}


def test_rows_say_that_a_person_told_it_and_that_no_licence_was_given(file: Path, tmp_path: Path) -> None:
    import_file("journal", file, tmp_path / "out")
    for row in load_rows(tmp_path / "out"):
        assert row.provenance == Provenance(kind="narrative", generator=GENERATOR)
        assert (row.source, row.license, row.language) == ("journal", "unstated", "unstated")


def test_what_the_model_foresaw_is_in_no_row(file: Path, tmp_path: Path) -> None:
    import_file("journal", file, tmp_path / "out")
    written = (tmp_path / "out").read_text()
    assert not [text for text in ("Slow hands", "closes the lid", "a beginner", "Silence") if text in written]


def test_only_what_a_person_weighed_well_is_learned(file: Path, tmp_path: Path) -> None:
    import_file("journal", file, tmp_path / "out")
    assert [is_gentle(row) for row in load_rows(tmp_path / "out")] == [True, False]


def test_a_conversation_that_goes_on_is_of_the_same_family(file: Path, tmp_path: Path) -> None:
    import_file("journal", file, tmp_path / "out")
    first, second = load_rows(tmp_path / "out")
    assert first.family == second.family
    assert first.situation_id != second.situation_id


def test_an_import_is_the_same_every_time_and_leaves_the_journal_alone(file: Path, tmp_path: Path) -> None:
    before = hashlib.sha256(file.read_bytes()).digest()
    for name in ("one", "two"):
        import_file("journal", file, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert hashlib.sha256(file.read_bytes()).digest() == before


def test_a_journal_that_is_being_written_to_is_read_up_to_now(file: Path, tmp_path: Path) -> None:
    async def while_open() -> None:
        async with open_store(read_address(f"sqlite:///{file}"), create=True) as store:
            await store.report("refl-1", told("She asked again.", 1))
            assert await asyncio.to_thread(import_file, "journal", file, tmp_path / "out")
            await store.report("refl-1", told("She never came back.", -1))

    asyncio.run(while_open())
    assert [row.consequence.weight for row in load_rows(tmp_path / "out")] == [3, 1, None]


@pytest.mark.parametrize("name", ["a?mode=rwc", "50%#1", "Tage buch"])
def test_a_file_may_have_any_name(file: Path, tmp_path: Path, name: str) -> None:
    file.rename(tmp_path / name)
    assert import_file("journal", tmp_path / name, tmp_path / "out").rows == 2


def test_an_answer_without_a_word_is_left_out(file: Path, tmp_path: Path) -> None:
    change(file, "UPDATE reflections SET answer = ' ' WHERE id = 'refl-0'")
    report = import_file("journal", file, tmp_path / "out")
    assert (report.rows, report.skipped["reflections that answered without a word"]) == (1, 1)


def test_a_journal_without_reports_has_no_rows(file: Path) -> None:
    change(file, "DELETE FROM outcomes")
    assert faults_of(file) == (f"{file} rows came to none; left out 3 reflections without a reported outcome",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "it has no table journal_version, outcomes, reflections"), (b"Dear diary, " * 100, "not a database")],
    ids=["empty", "text"],
)
def test_a_file_that_is_no_database_is_no_journal(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "in"
    file.write_bytes(content)
    (fault,) = faults_of(file)
    assert fault.startswith(f"{file} file is no journal")
    assert reason in fault


@pytest.mark.parametrize("table", ["reflections", "outcomes", "journal_version"])
@pytest.mark.parametrize("is_view", [False, True], ids=["absent", "a view"])
def test_a_database_of_something_else_is_no_journal(file: Path, table: str, is_view: bool) -> None:
    change(file, f"ALTER TABLE {table} RENAME TO elsewhere")
    if is_view:
        change(file, f"CREATE VIEW {table} AS SELECT * FROM elsewhere")
    assert faults_of(file) == (f"{file} file is no journal: it has no table {table}",)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("UPDATE journal_version SET version_num = '0099'", "its version is '0099', expected 0001"),
        ("DELETE FROM journal_version", "its version is none, expected 0001"),
    ],
    ids=["newer", "none"],
)
def test_a_version_that_is_not_known_is_refused(file: Path, sql: str, told: str) -> None:
    change(file, sql)
    assert faults_of(file) == (f"{file} file is no journal: {told}",)


def test_the_version_that_the_server_makes_is_read(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        assert {version for (version,) in connection.execute("SELECT version_num FROM journal_version")} <= VERSIONS


@pytest.mark.parametrize(
    ("sql", "field"),
    [
        ("UPDATE reflections SET conversation = '[{' WHERE id = 'refl-0'", "conversation"),
        ("UPDATE reflections SET conversation = '[]' WHERE id = 'refl-0'", "conversation"),
        ("UPDATE reflections SET conversation = x'ff' WHERE id = 'refl-0'", "conversation"),
        ("""UPDATE reflections SET conversation = '[{"role": "tool"}]' WHERE id = 'refl-0'""", "conversation.0.role"),
        (
            """UPDATE reflections SET conversation = '[{"role": "system", "content": "x"}]' WHERE id = 'refl-0'""",
            "conversation",
        ),
        ("UPDATE reflections SET answer = x'6869' WHERE id = 'refl-0'", "answer"),
        ("UPDATE outcomes SET weight = 4 WHERE reflection_id = 'refl-0'", "weight"),
        ("UPDATE outcomes SET weight = 'heavy' WHERE reflection_id = 'refl-0'", "weight"),
        ("UPDATE outcomes SET text = ' ' WHERE reflection_id = 'refl-0'", "impact"),
    ],
    ids=["JSON", "empty", "bytes", "role", "nobody asked", "answer", "heavy", "a word", "blank"],
)
def test_a_damaged_reflection_is_told_with_its_place(file: Path, sql: str, field: str) -> None:
    change(file, sql)
    with closing(sqlite3.connect(file)) as connection:
        (rowid,) = connection.execute("SELECT rowid FROM reflections WHERE id = 'refl-0'").fetchone()
    assert faults_of(file)[0].startswith(f"{file}[{rowid}] {field} ")


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE reflections RENAME COLUMN answer TO replied",
        "UPDATE outcomes SET text = CAST(x'ff' AS TEXT)",
        f"UPDATE outcomes SET text = zeroblob({MAX_LINE_BYTES + 1})",
    ],
    ids=["columns", "not UTF-8", "too large"],
)
def test_a_damaged_database_is_told(file: Path, sql: str) -> None:
    change(file, sql)
    (fault,) = faults_of(file)
    assert fault.startswith(f"{file} file is no journal that can be read: ")


def test_a_database_cut_short_is_told(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5000])
    (fault,) = faults_of(file)
    assert fault.startswith(f"{file} file is no journal")
