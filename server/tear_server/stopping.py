"""How a server is asked to stop: SIGTERM or Ctrl-C, once to finish what it has begun, twice to end at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from types import TracebackType
from typing import Self

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Hears the signals while it is entered, whatever was done about them before: a shell has its background jobs
    ignore Ctrl-C.

    Until `started` is called, the first signal cancels the task that entered.
    """

    def __init__(self, *, at_once: Callable[[], None]) -> None:
        self._at_once = at_once
        """What is done about every signal but the first."""
        self._asked = asyncio.Event()
        self._hurried = asyncio.Event()
        self._starting: asyncio.Task[object] | None = None

    def __enter__(self) -> Self:
        self._starting = asyncio.current_task()
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)

    @property
    def is_asked(self) -> bool:
        """Whether a signal has come."""
        return self._asked.is_set()

    def started(self) -> None:
        """From now on there is something to finish."""
        self._starting = None

    async def asked(self) -> None:
        """Return once a signal has come."""
        await self._asked.wait()

    async def hurried(self) -> None:
        """Return once a second one has come."""
        await self._hurried.wait()

    def _hear(self) -> None:
        if self._asked.is_set():
            self._hurried.set()
            self._at_once()
            return
        self._asked.set()
        if self._starting is not None:
            self._starting.cancel()
