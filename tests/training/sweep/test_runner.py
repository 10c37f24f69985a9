"""Laws of working through a grid: what is missing is made, a cell that fails stops no other, Ctrl-C ends all."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from training.sweep.conftest import opened, sweep

from tear_chain.errors import DataError, TrainingError
from tear_training.sweep.board import Board
from tear_training.sweep.folders import EVALUATION_FILE, LOG_FILE, CellFolder
from tear_training.sweep.runner import Failure, SweepInterrupted, run_cells
from tear_training.sweep.workers import Job, LocalWorkers, local_workers, ray_workers


class ScriptedWorkers:
    """Workers that end a cell at once: done, failed with a word in its log, or with Ctrl-C."""

    at_once = 1

    def __init__(self, *, failing: str = "", interrupted_at: str = "") -> None:
        self.asked: list[str] = []
        self._failing, self._interrupted_at = failing, interrupted_at

    async def work(self, job: Job) -> int:
        self.asked.append(job.name)
        if job.name == self._interrupted_at:
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(60)
        if job.name == self._failing:
            (job.folder / LOG_FILE).write_text("\n".join(f"line {number}" for number in range(40)))
            return 1
        (job.folder / EVALUATION_FILE).touch()
        return 0


@asynccontextmanager
async def entered(workers: ScriptedWorkers) -> AsyncIterator[ScriptedWorkers]:
    yield workers


def run(folders: list[CellFolder], workers: ScriptedWorkers, screen: StringIO | None = None) -> list[Failure]:
    board = Board(Console(file=screen or StringIO(), width=120))
    return run_cells(folders, entered(workers), base=Path("base"), data=Path("data"), board=board)


def test_every_cell_is_made_in_the_order_of_the_grid(tmp_path: Path) -> None:
    folders, workers = opened(tmp_path, sweep()), ScriptedWorkers()
    assert run(folders, workers) == []
    assert workers.asked == [each.cell.name for each in folders]
    assert all(each.is_done for each in folders)


def test_a_cell_that_fails_is_told_with_the_end_of_its_log_and_stops_no_other(tmp_path: Path) -> None:
    folders, workers = opened(tmp_path, sweep()), ScriptedWorkers(failing="lambda-0-seed-1")
    [failure] = run(folders, workers)
    assert failure.name == "lambda-0-seed-1"
    assert failure.log.splitlines()[-1] == "line 39"
    assert len(failure.log.splitlines()) < 40
    assert [each.cell.name for each in folders if not each.is_done] == ["lambda-0-seed-1"]


def test_a_second_call_takes_up_only_what_is_missing(tmp_path: Path) -> None:
    run(opened(tmp_path, sweep()), ScriptedWorkers(failing="sham-seed-2"))
    again = ScriptedWorkers()
    assert run(opened(tmp_path, sweep()), again) == []
    assert again.asked == ["sham-seed-2"]


def test_ctrl_c_ends_the_sweep_and_says_how_it_goes_on(tmp_path: Path) -> None:
    folders, workers = opened(tmp_path, sweep()), ScriptedWorkers(interrupted_at="lambda-1-seed-1")
    with pytest.raises(SweepInterrupted) as caught:
        run(folders, workers)
    assert "of 7 cells done" in caught.value.message
    assert "The same command goes on" in caught.value.sentence()


def test_piped_progress_is_a_line_for_each_cell_with_what_is_left(tmp_path: Path) -> None:
    screen = StringIO()
    run(opened(tmp_path, sweep()), ScriptedWorkers(failing="base"), screen)
    lines = screen.getvalue().strip().splitlines()
    assert len(lines) == 7
    assert lines[0].startswith("[1/7] base: 0 s, failed: its process ended with status 1")
    assert lines[1].startswith("[2/7] lambda-0-seed-1: 0 s; about 0 s left")
    assert "left" not in lines[-1]


class Says(Job):
    """A job that runs a line of Python instead of a cell."""

    @property
    def arguments(self) -> tuple[str, ...]:
        return ("-c", self.name)


def says(folder: Path, line: str) -> Says:
    return Says(line, folder, Path("base"), Path("data"))


def test_a_cells_output_and_status_are_kept(tmp_path: Path) -> None:
    async def status() -> int:
        line = "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)"
        return await LocalWorkers(1, cores=1).work(says(tmp_path, line))

    assert asyncio.run(status()) == 3
    assert (tmp_path / LOG_FILE).read_text() == "out\nerr\n"


@pytest.mark.parametrize(("at_once", "cores", "threads"), [(1, 8, "8"), (3, 8, "2"), (4, 2, "1")])
def test_cells_divide_the_cores(at_once: int, cores: int, threads: str, tmp_path: Path) -> None:
    async def ask() -> int:
        line = "import os; print(os.environ['OMP_NUM_THREADS'])"
        return await LocalWorkers(at_once, cores=cores).work(says(tmp_path, line))

    assert asyncio.run(ask()) == 0
    assert (tmp_path / LOG_FILE).read_text().strip() == threads


def test_no_more_cells_than_asked_for_are_worked_on_at_once(tmp_path: Path) -> None:
    """Each takes a file that must not be there, and puts it away."""
    line = f"import pathlib; p = pathlib.Path({str(tmp_path / 'held')!r}); p.touch(exist_ok=False); p.unlink()"

    async def both() -> list[int]:
        async with local_workers(1, cores=1) as workers:
            return list(await asyncio.gather(*(workers.work(says(tmp_path, line)) for _ in range(3))))

    assert asyncio.run(both()) == [0, 0, 0]


def test_a_cell_that_is_given_up_is_asked_to_stop_and_waited_for(tmp_path: Path) -> None:
    line = (
        "import signal, sys, time\n"
        "def end(*_): print('state written', flush=True); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('at work', flush=True)\n"
        "time.sleep(60)"
    )

    async def interrupt() -> None:
        work = asyncio.create_task(LocalWorkers(1, cores=1).work(says(tmp_path, line)))
        log = tmp_path / LOG_FILE
        while not log.is_file() or "at work" not in log.read_text():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.01)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(interrupt())
    assert (tmp_path / LOG_FILE).read_text() == "at work\nstate written\n"


def test_without_ray_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)

    async def enter() -> None:
        async with ray_workers("127.0.0.1:6379"):
            pass

    with pytest.raises(DataError, match=r"pip install 'the-tear\[ray\]'"):
        asyncio.run(enter())


def test_a_worker_that_names_an_error_fails_its_cell_alone(tmp_path: Path) -> None:
    class Losing(ScriptedWorkers):
        async def work(self, job: Job) -> int:
            if job.name == "base":
                raise TrainingError("The node is gone.")
            return await super().work(job)

    [failure] = run(opened(tmp_path, sweep()), Losing())
    assert (failure.name, failure.why) == ("base", "The node is gone.")
