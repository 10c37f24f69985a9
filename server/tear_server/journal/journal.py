"""The journal as the service sees it: keeping never costs an answer, forgetting goes on by itself."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from tear_chain.words import Reflection
from tear_server.journal.address import Address
from tear_server.journal.entry import ReportedOutcome, Reporting, StoredReflection, to_entry
from tear_server.journal.errors import JournalFailed, ReflectionNotFound
from tear_server.journal.store import Store, open_store
from tear_server.metrics import Metrics
from tear_server.reflection import ReflectionRequest

LOG_EVERY_S = 60.0
PURGE_EVERY_S = 3600.0
_log = logging.getLogger("tear.journal")


class Journal:
    """Keeps what was answered, and learns what came of it."""

    def __init__(self, store: Store, metrics: Metrics, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._logged_s: float | None = None
        self._unlogged = 0

    async def keep(self, request: ReflectionRequest, reflection: Reflection) -> None:
        """Write a reflection that was answered. It is on the disk when this returns, or its failure was counted."""
        entry = to_entry(request, reflection, now=datetime.now(UTC))
        if entry is None:
            return
        try:
            await self._store.write(entry)
        except Exception as error:  # whatever it is: an answer is worth more than the record of it
            self._failed(error)

    async def find(self, reflection_id: str) -> StoredReflection:
        """A reflection with its outcome; raise `ReflectionNotFound`, or `JournalFailed`."""
        try:
            stored = await self._store.find(reflection_id)
        except JournalFailed as error:
            self._failed(error)
            raise
        if stored is None:
            raise _not_found(reflection_id)
        return stored

    async def report(self, reflection_id: str, *, text: str, weight: int | None) -> Reporting:
        """Write what came of a reflection; raise `ReflectionNotFound`, or `JournalFailed`."""
        try:
            reporting = await self._store.report(reflection_id, ReportedOutcome(datetime.now(UTC), text, weight))
        except JournalFailed as error:
            self._failed(error)
            raise
        if reporting is None:
            raise _not_found(reflection_id)
        predicted = reporting.entry.predicted_weight
        if reporting.is_first_weight and weight is not None and predicted is not None:
            self._metrics.weight_error.labels(reporting.entry.model).observe(weight - predicted)
        return reporting

    async def purge(self, *, days: int) -> None:
        """Delete what is older than that."""
        try:
            count = await self._store.purge(datetime.now(UTC) - timedelta(days=days))
        except JournalFailed as error:
            self._failed(error)
            return
        if count:
            _log.info("purged %d reflections older than %d days", count, days)

    def _failed(self, error: Exception) -> None:
        self._metrics.journal_failures.inc()
        now = self._clock()
        if self._logged_s is not None and now - self._logged_s < LOG_EVERY_S:
            self._unlogged += 1
            return
        more = f" So it did {self._unlogged} times since this was last said." if self._unlogged else ""
        if isinstance(error, JournalFailed):
            _log.error("%s%s", error.message, more)
        else:
            _log.error("The journal failed in a way that it does not know.%s", more, exc_info=error)
        self._logged_s, self._unlogged = now, 0


@asynccontextmanager
async def open_journal(
    address: Address | None,
    *,
    days: int | None,
    metrics: Metrics,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncGenerator[Journal | None]:
    """The journal at an address, None without one; purged now, and hourly while it is open, where `days` are set."""
    if address is None:
        yield None
        return
    async with open_store(address, create=True) as store:
        journal = Journal(store, metrics)
        if days is None:
            yield journal
            return
        await journal.purge(days=days)
        purging = asyncio.create_task(_purge_hourly(journal, days, sleep=sleep))
        try:
            yield journal
        finally:
            purging.cancel()
            await asyncio.gather(purging, return_exceptions=True)


async def _purge_hourly(journal: Journal, days: int, *, sleep: Callable[[float], Awaitable[None]]) -> None:
    while True:
        await sleep(PURGE_EVERY_S)
        await journal.purge(days=days)


def _not_found(reflection_id: str) -> ReflectionNotFound:
    return ReflectionNotFound(f"The journal holds no reflection {reflection_id}.", param="reflection_id")
