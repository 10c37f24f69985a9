"""Who works on cells: processes of this machine, or tasks on a Ray cluster."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tear_chain.errors import DataError, TrainingError
from tear_training.sweep.folders import LOG_FILE

GRACE_S = 120.0
"""How long a cell that is asked to stop may take to end its step and write its state."""


@dataclass(frozen=True, slots=True)
class Job:
    """One cell to be worked on."""

    name: str
    folder: Path
    base: Path
    data: Path
    """Where relative data files start."""

    @property
    def arguments(self) -> tuple[str, ...]:
        """What Python is called with."""
        named = (self.folder, "--base", self.base, "--data", self.data)
        return ("-m", "tear_training.sweep.cell", *map(str, named))


class Workers(Protocol):
    """Takes jobs, works on `at_once` of them at the same time, and stops one whose waiting is cancelled."""

    at_once: int

    async def work(self, job: Job) -> int:
        """Return the exit status of the job's process."""


class LocalWorkers:
    """Processes of this machine, with its cores divided among them."""

    def __init__(self, at_once: int, *, cores: int) -> None:
        self.at_once = at_once
        self._places = asyncio.Semaphore(at_once)
        self._threads = max(1, cores // at_once)

    async def work(self, job: Job) -> int:
        """See `Workers`."""
        async with self._places:
            with (job.folder / LOG_FILE).open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *job.arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=os.environ | _threads(self._threads),
                    # Ctrl-C of the terminal is ours to pass on, once.
                    start_new_session=True,
                )
            try:
                return await process.wait()
            except asyncio.CancelledError:
                await _stop(process)
                raise


class RayWorkers:
    """Tasks of one CPU each on a Ray cluster whose machines see the same files at the same paths."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self.at_once = max(1, int(ray.cluster_resources().get("CPU", 1)))
        # Nested, so that it travels by value: a worker needs our package for the cell alone.
        self._run = ray.remote(num_cpus=1, max_retries=0)(_ray_task())

    async def work(self, job: Job) -> int:
        """See `Workers`."""
        given = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ} | _threads(1)
        task = self._run.remote(job.arguments, str(job.folder / LOG_FILE), given, GRACE_S)
        try:
            return int(await task)
        except asyncio.CancelledError:
            self._ray.cancel(task)
            raise
        except self._ray.exceptions.RayError as exc:
            raise TrainingError(f"Ray gave {job.name} up: {exc}.") from exc


@asynccontextmanager
async def ray_workers(address: str) -> AsyncIterator[RayWorkers]:
    """Workers of the cluster at `address`; `DataError` if ray is not installed, `TrainingError` if none answers."""
    try:
        import ray
    except ImportError as exc:
        raise DataError("--ray needs ray: pip install 'the-tear[ray]'.") from exc
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError) as exc:
        raise TrainingError(f"No Ray cluster answers at {address}: {exc}.") from exc
    try:
        yield RayWorkers(ray)
    finally:
        ray.shutdown()


@asynccontextmanager
async def local_workers(at_once: int, *, cores: int) -> AsyncIterator[LocalWorkers]:
    """Workers of this machine."""
    yield LocalWorkers(at_once, cores=cores)


async def _stop(process: asyncio.subprocess.Process) -> None:
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), GRACE_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def _threads(count: int) -> dict[str, str]:
    return {"OMP_NUM_THREADS": str(count)}


def _ray_task() -> Any:
    def run(arguments: tuple[str, ...], log: str, given: Mapping[str, str], grace_s: float) -> int:
        import os
        import subprocess
        import sys

        with open(log, "ab") as file:
            process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **given},
                start_new_session=True,
            )
        try:
            return process.wait()
        finally:
            # Ray cancels a task by KeyboardInterrupt.
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(grace_s)
                except subprocess.TimeoutExpired:
                    process.kill()

    return run
