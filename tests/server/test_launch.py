"""Processes are real here: what is started, and what is left of it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from stories import until

from tear_server.launch import launch

NAME = "Launched"
LONG_S = 60


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    left = [process for process in multiprocessing.active_children() if process.name.startswith(NAME)]
    for process in left:
        process.kill()
        process.join()
    assert left == []


def begin() -> BaseProcess:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=time.sleep, args=(LONG_S,), name=f"{NAME}_0", daemon=True)
    process.start()
    return process


def end(process: BaseProcess) -> None:
    process.kill()
    process.join()


def blocks(process: BaseProcess, number: signal.Signals) -> bool:
    status = Path(f"/proc/{process.pid}/status").read_text()
    blocked = int(next(line for line in status.splitlines() if line.startswith("SigBlk")).split()[1], base=16)
    return bool(blocked >> number - 1 & 1)


async def test_what_was_started_is_returned_and_the_loop_runs_meanwhile() -> None:
    goes_on = threading.Event()

    def start() -> str:
        assert goes_on.wait(LONG_S)
        return "started"

    launching = asyncio.create_task(launch(start, end=lambda _: None, processes=NAME))
    await asyncio.sleep(0)
    assert not launching.done()
    goes_on.set()
    assert await launching == "started"


async def test_what_fails_to_start_fails() -> None:
    def start() -> None:
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        await launch(start, end=lambda _: None, processes=NAME)


async def test_a_start_that_is_broken_off_leaves_no_process() -> None:
    begun: list[BaseProcess] = []

    def start() -> None:
        begun.append(begin())
        begun[0].join()  # as vLLM waits for its core to be ready
        raise RuntimeError("it never got ready")

    launching = asyncio.create_task(launch(start, end=lambda _: None, processes=NAME))
    await until(lambda: begun)
    launching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await launching
    assert begun[0].exitcode == -signal.SIGKILL


async def test_what_was_started_just_before_the_start_was_broken_off_is_ended() -> None:
    goes_on, ended = threading.Event(), list[BaseProcess]()

    def start() -> BaseProcess:
        assert goes_on.wait(LONG_S)
        return begin()

    def finish(process: BaseProcess) -> None:
        ended.append(process)
        end(process)

    launching = asyncio.create_task(launch(start, end=finish, processes="Others"))
    await asyncio.sleep(0)
    launching.cancel()
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await launching
    assert len(ended) == 1


async def test_processes_do_not_hear_ctrl_c_and_the_server_does() -> None:
    heard: list[str] = []
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, lambda: heard.append("server"))
    try:
        process = await launch(begin, end=end, processes=NAME)
        is_deaf = blocks(process, signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        await until(lambda: heard)
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
    end(process)
    assert is_deaf
