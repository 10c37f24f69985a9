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
    made: list[Started] = []
    # Handed over by a list that is emptied: libraries keep exceptions of optional imports, and with them the frames
    # that called; what is returned through those would be held to the very end.
    starting = asyncio.ensure_future(asyncio.to_thread(lambda: made.append(_deaf_to_interrupts(start))))
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        # A thread cannot be cancelled, but without its processes it has nothing to wait for.
        while not starting.done():
            kill(processes)
            await asyncio.wait({starting}, timeout=LOOK_S)
        await asyncio.gather(starting, return_exceptions=True)
        if made:
            end(made.pop())
        raise
    return made.pop()


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
