"""The run: workers ask and judge side by side, rows are taken in the order of the plan, files are written whole."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from tear_chain.errors import DataError, InvalidRequest, TearError
from tear_training.expand.attempt import Attempt, Bench, attempt, request_for
from tear_training.expand.cache import ReplyCache, Request
from tear_training.expand.filters import Origin, Said, situation_id
from tear_training.expand.judge import check_judge
from tear_training.expand.plan import Ask, ExpandPlan
from tear_training.expand.report import ExpandReport, balance_of, count_squares
from tear_training.expand.writer import Endpoint, EndpointFailed, Traffic, opened
from tear_training.rejected import Rejected, load_rejected, rejected_file, write_rejected
from tear_training.rows import Row, RowsError, load_files, load_rows, row_files, write_rows

GIVE_UP_AFTER = 8
"""Situations in a row without a reply, after which the endpoint is taken to be gone."""
SAVE_EVERY = 50
"""Accepted rows between two writings of the file. The cache holds all, so this is only how soon one can look."""

_ELSEWHERE = "Name another --out, or say --force to replace it."


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run is."""

    done: int
    accepted: int
    rejected: int


def _unwatched(standing: Standing) -> None:
    """Nobody looks on."""


async def expand(
    plan: ExpandPlan,
    writer: Endpoint,
    *,
    judge: Endpoint | None,
    out: Path,
    cache: Path,
    license_: str,
    against: Sequence[Path] = (),
    unjudged: bool = False,
    concurrency: int = 8,
    save_every: int = SAVE_EVERY,
    force: bool = False,
    watch: Callable[[Standing], None] = _unwatched,
) -> ExpandReport:
    """Ask `writer` for the situations of `plan`, and write the rows that pass every filter and `judge` to `out`.

    What did not pass is in `out`'s `.rejected.jsonl` with the reason. Rows come in the order of the plan whatever
    answers first, so that the same plan from the same cache gives the same bytes. `license_` is the licence of what the
    writer writes. At most `concurrency` requests are under way at once. An `out` that holds rows of another plan, or
    what a person reviewed, is refused unless `force`.
    """
    if concurrency < 1:
        raise InvalidRequest(f"concurrency is {concurrency}, expected at least 1.", param="concurrency")
    asks = [(ask, request_for(ask, plan, model=writer.model)) for ask in plan.asks()]
    held = 0 if force else _count_own(out, {situation_id(request) for _, request in asks})
    known = Said(_load_against(against, but=out))
    out.parent.mkdir(parents=True, exist_ok=True)
    traffic, replies = Traffic(), ReplyCache(cache)
    shelf = _Shelf(out, total=len(asks), held=held, save_every=save_every, watch=watch)
    async with AsyncExitStack() as stack:
        asker = await stack.enter_async_context(opened(writer, cache=replies, traffic=traffic))
        other = opened(judge, cache=replies, traffic=traffic) if judge is not None else None
        judging = await stack.enter_async_context(other) if other is not None else None
        check_judge(asker, judging, unjudged=unjudged)
        bench = Bench(plan, asker, judging, Origin(writer.model, license_, plan.language), known)
        try:
            await _work_off(asks, bench, shelf, workers=concurrency)
        finally:
            shelf.save()
    return ExpandReport(
        asked=len(asks),
        rows=len(shelf.accepted),
        squares=count_squares(shelf.accepted),
        rejected=Counter(entry.reason.partition(":")[0] for entry in shelf.rejected),
        unanswered=shelf.unanswered,
        requests=traffic.asked,
        cached=traffic.cached,
        balance=balance_of(shelf.accepted),
    )


class _Shelf:
    """Where attempts end up: taken in the order of the plan, and written."""

    def __init__(self, out: Path, *, total: int, held: int, save_every: int, watch: Callable[[Standing], None]) -> None:
        self.accepted: list[Row] = []
        self.rejected: list[Rejected] = []
        self.unanswered: Counter[str] = Counter()
        self._out = out
        self._total = total
        self._held = held
        self._save_every = save_every
        self._watch = watch
        self._said = Said()
        self._waiting: dict[int, Attempt] = {}
        self._next = 0
        self._saved = 0

    def put(self, index: int, attempt: Attempt) -> None:
        """Take an attempt when its turn comes: which of two near-duplicates stays must not hang on the network."""
        self._waiting[index] = attempt
        while (due := self._waiting.pop(self._next, None)) is not None:
            self._next += 1
            self._take(due)
        if len(self.accepted) - self._saved >= self._save_every:
            self.save()
        self._watch(Standing(self._next, len(self.accepted), len(self.rejected)))

    def save(self) -> None:
        """Write both files, each whole; not while a file that an earlier run wrote holds more."""
        is_whole = self._next == self._total and not self.unanswered
        if is_whole or len(self.accepted) > self._held:
            write_rejected(rejected_file(self._out), self.rejected)
            write_rows(self._out, self.accepted)
            self._saved = len(self.accepted)

    def _take(self, attempt: Attempt) -> None:
        if attempt.unanswered is not None:
            self.unanswered[attempt.unanswered] += 1
        if attempt.rejected is not None:
            self.rejected.append(attempt.rejected)
        for candidate in attempt.candidates:
            fault = candidate.fault or self._said.fault(candidate.row)
            if fault is not None:
                self.rejected.append(Rejected(reason=fault, row=candidate.row))
                continue
            self.accepted.append(candidate.row)
            self._said.add(candidate.row)


async def _work_off(asks: Sequence[tuple[Ask, Request]], bench: Bench, shelf: _Shelf, *, workers: int) -> None:
    """Let each worker do one situation after the other: as each asks one thing at a time, their number is the bound."""
    todo = iter(asks)
    patience = _Patience()
    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(workers, len(asks))):
                tasks.create_task(_work(todo, bench, shelf, patience))
    except BaseExceptionGroup as group:
        # Workers that fail together fail for one reason: one sentence is enough.
        told = next((exc for exc in group.exceptions if isinstance(exc, TearError)), None)
        if told is None:
            raise
        raise told from group


async def _work(todo: Iterator[tuple[Ask, Request]], bench: Bench, shelf: _Shelf, patience: _Patience) -> None:
    for ask, request in todo:
        done = await attempt(bench, ask, request)
        patience.see(done)
        shelf.put(ask.index, done)


class _Patience:
    """Bears situations without a reply, but not any number in a row."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def see(self, done: Attempt) -> None:
        self._in_a_row = self._in_a_row + 1 if done.unanswered is not None else 0
        if self._in_a_row >= GIVE_UP_AFTER:
            raise EndpointFailed(f"{self._in_a_row} situations in a row got no reply; the last: {done.unanswered}.")


def _load_against(paths: Sequence[Path], *, but: Path) -> list[Row]:
    """The rows of files and folders, without those of `but`: a run is not held against itself."""
    try:
        return load_files([file for file in row_files(paths) if file.resolve() != but.resolve()])
    except RowsError as exc:
        raise DataError(str(exc)) from exc


def _count_own(out: Path, situations: set[str]) -> int:
    """How many rows `out` holds; `DataError` when writing it anew would lose what this plan cannot bring back."""
    if any(entry.date is not None for entry in load_rejected(rejected_file(out))):
        raise DataError(f"{rejected_file(out)} holds rows that a person turned down. {_ELSEWHERE}")
    if not out.exists():
        return 0
    try:
        rows = load_rows(out)
    except RowsError as exc:
        raise DataError(str(exc)) from exc
    for row in rows:
        if row.provenance.human_reviewed:
            raise DataError(f"{out} holds rows that a person reviewed, such as {row.id}. {_ELSEWHERE}")
        if row.situation_id not in situations:
            raise DataError(f"{out} holds rows that this plan does not write, such as {row.id}. {_ELSEWHERE}")
    return len(rows)
