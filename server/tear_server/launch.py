"""Starting what begins processes and takes long, without holding up the server, and so that it can be broken off."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing import resource_tracker
from typing import TypeVar

LOOK_S = 0.1
Started = TypeVar("Started")


async def launch(start: Callable[[], Started], *, end: Callable[[Started], None], processes: str) -> Started:
    """What `start` returns, called in a thread. Cancelled, it leaves nothing behind.

    Its processes, whose names begin with `processes`, do not hear Ctrl-C.
    """
    starting = asyncio.ensure_future(asyncio.to_thread(_deaf_to_interrupts, start))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # A thread cannot be cancelled, but without its processes it has nothing to wait for.
        while not starting.done():
            kill(processes)
            await asyncio.wait({starting}, timeout=LOOK_S)
        if starting.exception() is None:
            end(starting.result())
        raise


def kill(processes: str) -> None:
    """End the processes that were started here and whose names begin so, at once."""
    for process in multiprocessing.active_children():
        if process.name.startswith(processes):
            process.kill()


def _deaf_to_interrupts(start: Callable[[], Started]) -> Started:
    # Ctrl-C in a terminal reaches every process there; an engine's are to go on until the replies at work have ended.
    # A process inherits what is blocked in the thread that starts it. multiprocessing's tracker, which is started with
    # the first process and unblocks it, is started before.
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
