"""Several reflections in one reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from tear_chain.events import Event

AHEAD = 64
"""Events that may wait to be sent, over all runs; a client who reads slowly does not fill the memory."""


async def side_by_side(runs: Sequence[AsyncGenerator[Event, None]]) -> AsyncGenerator[tuple[int, Event], None]:
    """The events of all runs as they come, each with its run's place. A run that fails ends the others."""
    if len(runs) == 1:
        async with aclosing(runs[0]) as events:
            async for event in events:
                yield 0, event
        return
    coming: asyncio.Queue[tuple[int, Event | Exception | None]] = asyncio.Queue(AHEAD)

    async def read(place: int) -> None:
        end: Exception | None = None
        async with aclosing(runs[place]) as events:
            try:
                async for event in events:
                    await coming.put((place, event))
            except Exception as error:  # raised again by whoever reads the queue
                end = error
        await coming.put((place, end))

    readers = [asyncio.ensure_future(read(place)) for place in range(len(runs))]
    try:
        left = len(runs)
        while left:
            place, item = await coming.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                left -= 1
            else:
                yield place, item
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
