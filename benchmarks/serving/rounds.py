"""Rounds: every contestant once in each, one after another, the first round only to warm up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Round = TypeVar("Round")
SPIN_S = 1.5
"""On a CPU the processes of vLLM's own server keep the cores busy for a second after their last work."""


async def settle() -> None:
    """Wait until the contestant before has nothing left to do, before the next one's turn is timed."""
    await asyncio.sleep(SPIN_S)


async def run_rounds(name: str, rounds: int, one_round: Callable[[int], Awaitable[Round]]) -> list[Round]:
    """What `one_round` returned in each of `rounds` rounds; a round 0 before them is run and dropped."""
    columns = TextColumn("{task.description:<46}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    found: list[Round] = []
    with Progress(*columns) as progress:
        task = progress.add_task(name, total=rounds + 1)
        for index in range(rounds + 1):
            one = await one_round(index)
            if index > 0:
                found.append(one)
            progress.advance(task)
    return found
