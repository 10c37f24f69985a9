from __future__ import annotations

import asyncio
import logging
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from stories import ADAPTER, ANSWER, DRAFT, KEPT, MODEL, REVISED, STORIES, Story, play, service_over, until

from tear_chain.conversation import Conversation
from tear_chain.events import Completed
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Decision, Scene, Stage, Status
from tear_server.journal.address import Address
from tear_server.journal.entry import Entry
from tear_server.journal.errors import JournalFailed, ReflectionNotFound
from tear_server.journal.journal import LOG_EVERY_S, PURGE_EVERY_S, Journal, open_journal
from tear_server.journal.store import Store, open_store
from tear_server.metrics import Metrics
from tear_server.reflection import Plan, ReflectionRequest
from tear_server.service import Service

ANSWERED = {"kept": KEPT, "revised": REVISED, "truncated": STORIES["endless-revision"], "malformed": STORIES["gaps"]}
ENTRY = Entry(
    id="refl-1",
    created=datetime(2025, 3, 1, tzinfo=UTC),
    model=MODEL,
    adapter=ADAPTER,
    conversation=Conversation.asking("Am I any good?"),
    draft=DRAFT,
    witness=Scene(),
    expected_weight=None,
    decision=Decision.KEEP,
    revise_probability=None,
    answer=DRAFT,
    status=Status.COMPLETE,
)


class Clock:
    """A clock that stands until it is moved."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def service(tokenizer: ChainTokenizer, store: Store, clock: Clock) -> Service:
    return journaling(service_over(play(tokenizer, KEPT), tokenizer), store, clock)


@pytest.fixture
async def impatient(address: Address, tokenizer: ChainTokenizer, clock: Clock) -> AsyncIterator[Service]:
    """One whose journal waits for nobody."""
    async with open_store(address, create=True, busy_ms=1) as store:
        yield journaling(service_over(play(tokenizer, KEPT), tokenizer), store, clock)


def journaling(service: Service, store: Store, clock: Clock) -> Service:
    return replace(service, journal=Journal(store, service.metrics, clock=clock))


def told_by(service: Service, tokenizer: ChainTokenizer, story: Story) -> Service:
    """The same service, and journal, over an engine that writes `story`."""
    return replace(service_over(play(tokenizer, story), tokenizer), journal=service.journal)


def journal_of(service: Service) -> Journal:
    assert service.journal is not None
    return service.journal


def plan(service: Service, name: str = "refl-1", **fields: Any) -> Plan:
    request = {
        "id": name,
        "model": MODEL,
        "adapter": ADAPTER,
        "conversation": Conversation.asking("Am I any good?"),
    } | fields
    return service.reflector.plan(ReflectionRequest(**request))


def failures(service: Service) -> float | None:
    return service.metrics.registry.get_sample_value("tear_journal_failures_total")


# What is kept


async def test_an_answered_reflection_is_kept_whole(
    service: Service, tokenizer: ChainTokenizer, asked: Callable[..., list[Any]]
) -> None:
    before = datetime.now(UTC)
    reflection = await told_by(service, tokenizer, REVISED).answer(plan(service))
    entry = (await journal_of(service).find("refl-1")).entry
    assert entry == replace(
        ENTRY,
        created=entry.created,
        witness=Scene(" a beginner", " She closes the lid.", " Silence.", -2),
        expected_weight=reflection.expected_weight,
        decision=Decision.REVISE,
        revise_probability=reflection.revise_probability,
        answer=ANSWER,
    )
    assert None not in (entry.expected_weight, entry.revise_probability)
    assert before <= entry.created <= datetime.now(UTC)


@pytest.mark.parametrize("outcome", ANSWERED)
async def test_every_outcome_with_an_answer_is_kept(service: Service, tokenizer: ChainTokenizer, outcome: str) -> None:
    reflection = await told_by(service, tokenizer, ANSWERED[outcome]).answer(plan(service))
    assert reflection.outcome == outcome
    entry = (await journal_of(service).find("refl-1")).entry
    assert (entry.answer, entry.status) == (reflection.answer, reflection.status)


@pytest.mark.parametrize(
    "fields",
    [{"bypass": True}, {"draft": "Nice work.", "only_witness": True}],
    ids=["bypassed", "only witnessed"],
)
@pytest.mark.parametrize("story", [KEPT, STORIES["gaps"]], ids=["well", "malformed"])
async def test_what_answers_nothing_or_reflects_on_nothing_is_not_kept(
    service: Service, tokenizer: ChainTokenizer, asked: Callable[..., list[Any]], fields: dict[str, Any], story: Story
) -> None:
    await told_by(service, tokenizer, story).answer(plan(service, **fields))
    assert asked("SELECT * FROM reflections") == []


@pytest.mark.parametrize("stage", list(Stage))
async def test_a_reflection_that_broke_off_is_not_kept(
    service: Service, tokenizer: ChainTokenizer, asked: Callable[..., list[Any]], stage: Stage
) -> None:
    engine = play(tokenizer, REVISED, hang_in=stage)
    hanging = replace(service_over(engine, tokenizer), journal=service.journal)
    work = asyncio.create_task(hanging.answer(plan(service)))
    await until(lambda: engine.reached[-1:] == [stage])
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert asked("SELECT * FROM reflections") == []


async def test_without_a_journal_nothing_is_kept(tokenizer: ChainTokenizer) -> None:
    async with open_journal(None, days=30, metrics=Metrics()) as journal:
        assert journal is None
    service = service_over(play(tokenizer, KEPT), tokenizer)
    assert service.journal is None
    assert (await service.answer(plan(service))).answer == DRAFT


async def test_of_many_at_once_all_are_kept(service: Service, asked: Callable[..., list[Any]]) -> None:
    await asyncio.gather(*(service.answer(plan(service, f"refl-{number}")) for number in range(64)))
    assert {found for (found,) in asked("SELECT id FROM reflections")} == {f"refl-{number}" for number in range(64)}
    assert failures(service) == 0


# Nothing that was acknowledged is lost


@pytest.mark.parametrize("story", ANSWERED.values(), ids=ANSWERED.keys())
async def test_it_is_committed_before_the_last_event_goes_out(
    service: Service, tokenizer: ChainTokenizer, asked: Callable[..., list[Any]], story: Story
) -> None:
    telling = told_by(service, tokenizer, story)
    seen: list[tuple[bool, int]] = []
    async with aclosing(telling.run(plan(telling))) as events:
        async for event in events:
            seen.append((isinstance(event, Completed), asked("SELECT count(*) FROM reflections")[0][0]))
    assert seen[-1] == (True, 1)
    assert set(seen[:-1]) == {(False, 0)}


_KILLED = """
import asyncio, os, signal, sys
sys.path.insert(0, sys.argv[2])
from test_store import ENTRY
from tear_server.journal.address import read_address
from tear_server.journal.store import open_store

async def main() -> None:
    async with open_store(read_address(sys.argv[1]), create=True) as store:
        await store.write(ENTRY)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_a_server_that_is_killed_has_kept_what_it_acknowledged(file: Path, asked: Callable[..., list[Any]]) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, f"sqlite:///{file}", str(Path(__file__).parent)],
        capture_output=True,
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert asked("SELECT id, answer FROM reflections") == [("refl-1", "Thirty days make a start!")]


async def test_a_client_that_leaves_during_the_write_leaves_the_journal_at_work(
    service: Service, file: Path, asked: Callable[..., list[Any]]
) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        works = [asyncio.create_task(service.answer(plan(service, f"refl-{number}"))) for number in range(3)]
        counted = service.metrics.registry.get_sample_value
        await until(lambda: counted("tear_reflections_total", {"model": MODEL, "outcome": "kept"}) == 3)
        for work in works:
            work.cancel()
        other.execute("ROLLBACK")
    assert all(
        isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*works, return_exceptions=True)
    )
    await service.answer(plan(service, "refl-after"))
    assert "refl-after" in {found for (found,) in asked("SELECT id FROM reflections")}
    assert failures(service) == 0


# A journal that fails


async def test_a_journal_that_fails_loses_no_answer(service: Service, asked: Callable[..., list[Any]]) -> None:
    asked("DROP TABLE reflections")
    assert (await service.answer(plan(service))).answer == DRAFT
    assert failures(service) == 1


async def test_a_journal_that_is_locked_loses_no_answer(impatient: Service, file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        reflections = await asyncio.gather(*(impatient.answer(plan(impatient, f"refl-{i}")) for i in range(8)))
    assert [each.answer for each in reflections] == [DRAFT] * 8
    assert failures(impatient) == 8
    await impatient.answer(plan(impatient))
    assert failures(impatient) == 8


async def test_a_journal_that_is_slow_loses_no_answer_and_works_again(
    service: Service,
    address: Address,
    file: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_store(address, create=True, busy_ms=200) as store:
        slow = journaling(service, store, clock)
        with monkeypatch.context() as impatience, closing(sqlite3.connect(file, isolation_level=None)) as other:
            impatience.setattr("tear_server.journal.store.WRITE_LIMIT_S", 0.01)
            other.execute("BEGIN IMMEDIATE")
            assert (await slow.answer(plan(slow))).answer == DRAFT
            assert "it took longer than 0.01 seconds" in caplog.text
        await slow.answer(plan(slow, "refl-after"))
        assert (await journal_of(slow).find("refl-after")).entry.answer == DRAFT
    assert failures(service) == 1


async def test_even_a_surprise_in_the_journal_loses_no_answer(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    class Surprising(Store):
        async def write(self, entry: Entry) -> None:
            raise LookupError("nobody thought of this")

    surprised = replace(service, journal=Journal(object.__new__(Surprising), service.metrics))
    assert (await surprised.answer(plan(service))).answer == DRAFT
    assert failures(service) == 1
    assert "nobody thought of this" in caplog.text


async def test_failures_are_logged_once_a_minute_and_no_text_with_them(
    service: Service, clock: Clock, asked: Callable[..., list[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    asked("DROP TABLE reflections")

    async def lines_after(count: int) -> list[str]:
        caplog.clear()
        for number in range(count):
            await service.answer(plan(service, f"refl-{number}"))
        return [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]

    assert await lines_after(3) == ["The journal failed: no such table: reflections."]
    clock.now_s += LOG_EVERY_S - 1
    assert await lines_after(3) == []
    clock.now_s += 1
    assert await lines_after(1) == [
        "The journal failed: no such table: reflections. So it did 5 times since this was last said."
    ]
    assert failures(service) == 7


async def test_who_asks_a_journal_that_fails_is_told(service: Service, asked: Callable[..., list[Any]]) -> None:
    asked("DROP TABLE reflections")
    with pytest.raises(JournalFailed):
        await journal_of(service).find("refl-1")
    with pytest.raises(JournalFailed):
        await journal_of(service).report("refl-1", text="She plays.", weight=1)
    assert failures(service) == 2


async def test_no_failure_repeats_what_people_wrote(store: Store, asked: Callable[..., list[Any]]) -> None:
    asked("ALTER TABLE reflections RENAME TO gone")
    with pytest.raises(JournalFailed) as failed:
        await store.write(replace(ENTRY, answer="Zanzibar"))
    assert "Zanzibar" not in failed.value.sentence() + str(failed.value.__cause__)


# What really came of it


async def test_an_unknown_reflection_is_named(service: Service) -> None:
    with pytest.raises(ReflectionNotFound, match="refl-9"):
        await journal_of(service).find("refl-9")
    with pytest.raises(ReflectionNotFound, match="refl-9"):
        await journal_of(service).report("refl-9", text="She plays.", weight=1)


@pytest.mark.parametrize(
    ("story", "weights", "errors"),
    [
        (KEPT, [3], [5]),
        (KEPT, [-2], [0]),
        (KEPT, [-3], [-1]),
        (KEPT, [None], []),
        (KEPT, [None, 1, 3, None, 2], [3]),
        (REVISED, [3], []),
        (STORIES["empty-revision"], [0], [2]),
        (STORIES["no-scene"], [1], []),
    ],
    ids=[
        *("better", "as foreseen", "worse", "unweighed", "the first weight counts"),
        *("a revision was not foreseen", "the draft stood in", "nothing was foreseen"),
    ],
)
async def test_the_error_of_a_prediction_is_observed_once(
    service: Service, tokenizer: ChainTokenizer, story: Story, weights: list[int | None], errors: list[int]
) -> None:
    await told_by(service, tokenizer, story).answer(plan(service))
    for weight in weights:
        await journal_of(service).report("refl-1", text="She plays.", weight=weight)

    def up_to(edge: int) -> float:
        labels = {"model": MODEL, "le": f"{float(edge)}"}
        return service.metrics.registry.get_sample_value("tear_weight_error_bucket", labels) or 0

    assert {edge: up_to(edge) for edge in range(-6, 7)} == {
        edge: sum(error <= edge for error in errors) for edge in range(-6, 7)
    }


def test_every_error_has_a_bucket_of_its_own() -> None:
    metrics = Metrics()
    metrics.weight_error.labels(MODEL).observe(-6)
    edges = [f"{float(error)}" for error in range(-6, 7)]
    found = [
        metrics.registry.get_sample_value("tear_weight_error_bucket", {"model": MODEL, "le": edge}) for edge in edges
    ]
    assert found == [1] * 13


# Forgetting


class Hours:
    """Sleep that ends when the test says so."""

    def __init__(self) -> None:
        self.slept_s: list[float] = []
        self.passed = asyncio.Semaphore(0)

    async def __call__(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        await self.passed.acquire()


async def aged(store: Store, *days: int) -> None:
    for each in days:
        await store.write(replace(ENTRY, id=f"refl-{each}", created=datetime.now(UTC) - timedelta(days=each)))


async def test_old_reflections_are_purged_at_the_start_and_every_hour(
    address: Address, store: Store, asked: Callable[..., list[Any]]
) -> None:
    def there() -> list[str]:
        return [found for (found,) in asked("SELECT id FROM reflections ORDER BY id")]

    hours = Hours()
    await aged(store, 1, 31)
    async with open_journal(address, days=30, metrics=Metrics(), sleep=hours):
        assert there() == ["refl-1"]
        for number in (1, 2):
            await aged(store, 29, 30 + number)
            await until(lambda number=number: len(hours.slept_s) == number)
            hours.passed.release()
            await until(lambda number=number: len(hours.slept_s) == number + 1)
            assert there() == ["refl-1", "refl-29"]
            asked("DELETE FROM reflections WHERE id = 'refl-29'")
    assert set(hours.slept_s) == {PURGE_EVERY_S}


async def test_without_days_everything_stays(address: Address, store: Store, asked: Callable[..., list[Any]]) -> None:
    await aged(store, 10_000)
    async with open_journal(address, days=None, metrics=Metrics()):
        assert asked("SELECT count(*) FROM reflections") == [(1,)]


async def test_a_purge_that_fails_is_counted_and_tried_again(
    address: Address, store: Store, asked: Callable[..., list[Any]]
) -> None:
    hours, metrics = Hours(), Metrics()
    async with open_journal(address, days=30, metrics=metrics, sleep=hours):
        asked("ALTER TABLE reflections RENAME TO gone")
        hours.passed.release()
        await until(lambda: len(hours.slept_s) == 2)
        assert metrics.registry.get_sample_value("tear_journal_failures_total") == 1
        asked("ALTER TABLE gone RENAME TO reflections")
        await aged(store, 31)
        hours.passed.release()
        await until(lambda: len(hours.slept_s) == 3)
        assert asked("SELECT count(*) FROM reflections") == [(0,)]
