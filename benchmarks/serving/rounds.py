"""Rounds: every contestant once in each, one after another, the first round only to warm up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Round = TypeVar("Round")


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
