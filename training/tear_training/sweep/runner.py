"""Working through a grid: what is missing is made, several cells at once; a cell that fails stops no other."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from tear_chain.errors import TearError, TrainingInterrupted
from tear_training.sweep.board import Board
from tear_training.sweep.folders import LOG_FILE, CellFolder
from tear_training.sweep.workers import Job, Workers

_TOLD_LINES = 12


class SweepInterrupted(TrainingInterrupted):
    """A sweep was asked to stop; what its cells had done is on disk."""

    hint = "The same command goes on from there."


@dataclass(frozen=True, slots=True)
class Failure:
    """A cell that could not be made."""

    name: str
    why: str
    log: str
    """The last lines of what it said."""


def run_cells(
    folders: Sequence[CellFolder],
    workers: AbstractAsyncContextManager[Workers],
    *,
    base: Path,
    data: Path,
    board: Board,
) -> list[Failure]:
    """Make all cells that are not done, in order, and return those that failed.

    Ctrl-C and SIGTERM end the cells at work, each with its state written, and raise `SweepInterrupted`.
    """
    missing = [each for each in folders if not each.is_done]
    jobs = [Job(each.cell.name, each.path.absolute(), base.absolute(), data.absolute()) for each in missing]
    try:
        return asyncio.run(_run(jobs, workers, board))
    except (KeyboardInterrupt, asyncio.CancelledError) as exc:
        done = sum(each.is_done for each in folders)
        raise SweepInterrupted(f"Stopped with {done} of {len(folders)} cells done.") from exc


async def _run(jobs: Sequence[Job], entered: AbstractAsyncContextManager[Workers], board: Board) -> list[Failure]:
    whole = asyncio.current_task()
    assert whole is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, whole.cancel)
    async with entered as workers:
        with board.over(len(jobs), at_once=workers.at_once):
            async with asyncio.TaskGroup() as group:
                ends = [group.create_task(_make(job, workers, board)) for job in jobs]
    return [failure for end in ends if (failure := end.result()) is not None]


async def _make(job: Job, workers: Workers, board: Board) -> Failure | None:
    began_s = time.monotonic()
    try:
        status = await workers.work(job)
        why = f"its process ended with status {status}"
    except TearError as exc:
        status, why = 1, exc.sentence()
    failure = None if status == 0 else Failure(job.name, why, _last_lines(job.folder / LOG_FILE))
    board.ended(job.name, seconds=time.monotonic() - began_s, why=None if failure is None else why)
    return failure


def _last_lines(log: Path) -> str:
    if not log.is_file():
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_TOLD_LINES:])
