from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from tear_server.deadline import Deadline
from tear_server.engine import Chunk


def chunk(*tokens: int) -> Chunk:
    return Chunk(tokens, watched=(), cached_tokens=0, finish=None)


async def saying(*chunks: Chunk) -> AsyncGenerator[Chunk, None]:
    for each in chunks:
        yield each


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize("limit_s", [None, 60.0], ids=["none", "far"])
async def test_in_time_chunks_pass_as_they_are(limit_s: float | None) -> None:
    deadline = Deadline(limit_s)
    async with aclosing(saying(chunk(1), chunk(2))) as chunks:
        found = [await deadline.next(chunks) for _ in range(3)]
    assert (found, deadline.passed) == ([chunk(1), chunk(2), None], False)


async def test_after_the_deadline_nothing_more_is_taken_not_even_what_is_ready() -> None:
    clock = Clock()
    deadline = Deadline(5, clock=clock)
    async with aclosing(saying(chunk(1), chunk(2), chunk(3))) as chunks:
        first = await deadline.next(chunks)
        clock.now_s = 4.9
        second = await deadline.next(chunks)
        clock.now_s = 5.0
        third = await deadline.next(chunks)
    assert (first, second, third, deadline.passed) == (chunk(1), chunk(2), None, True)


async def test_an_engine_that_says_nothing_is_cancelled_at_the_deadline() -> None:
    cancelled = []

    async def hung() -> AsyncGenerator[Chunk, None]:
        yield chunk(1)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    deadline = Deadline(0.02)
    async with aclosing(hung()) as chunks:
        assert await deadline.next(chunks) == chunk(1)
        assert await deadline.next(chunks) is None
    assert (deadline.passed, cancelled) == (True, [True])


async def test_a_timeout_of_the_engines_own_is_no_deadline() -> None:
    async def failing() -> AsyncGenerator[Chunk, None]:
        raise TimeoutError("the engine's own")
        yield chunk(1)

    deadline = Deadline(60)
    with pytest.raises(TimeoutError, match="the engine's own"):
        await deadline.next(failing())
    assert not deadline.passed
