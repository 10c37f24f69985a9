"""Whether new work is let in, and how much of it is still inside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tear_chain.errors import Stopping, TearError


def _nothing() -> None:
    return None


class Door:
    """Shut for good once the server is asked to stop, and for as long as something ails the engine."""

    def __init__(self, ailing: Callable[[], TearError | None] = _nothing) -> None:
        self._ailing = ailing
        """What keeps the engine from taking new work just now; asked for every request, so it must be cheap."""
        self._is_shut = False
        self._inside = 0
        self._emptied = asyncio.Event()
        self._emptied.set()

    def check(self) -> None:
        """Raise `Stopping`, or what ails the engine, if no new work is let in now."""
        if self._is_shut:
            raise Stopping("The server is being stopped and takes on nothing new.")
        if (error := self._ailing()) is not None:
            raise error

    def enter(self) -> None:
        """Go in, before anything is done for a request; whoever went in must `leave`."""
        self._inside += 1
        self._emptied.clear()

    def leave(self) -> None:
        """Go out, once the reply has gone out."""
        self._inside -= 1
        if not self._inside:
            self._emptied.set()

    def shut(self) -> None:
        """Let nobody in from now on."""
        self._is_shut = True

    async def empty(self) -> None:
        """Return once nobody is inside."""
        await self._emptied.wait()
