from __future__ import annotations

import asyncio

from serving.client import at_once
from serving.rounds import run_rounds


async def test_the_first_round_warms_up_and_does_not_count() -> None:
    seen: list[int] = []

    async def one_round(index: int) -> str:
        seen.append(index)
        return f"round {index}"

    assert await run_rounds("law", 2, one_round) == ["round 1", "round 2"]
    assert seen == [0, 1, 2]


async def test_rounds_come_one_after_another() -> None:
    said: list[str] = []

    async def one_round(index: int) -> None:
        said.append(f"begin {index}")
        await asyncio.sleep(0)
        said.append(f"end {index}")

    await run_rounds("law", 1, one_round)
    assert said == ["begin 0", "end 0", "begin 1", "end 1"]


async def test_no_more_run_at_once_than_may_and_answers_keep_their_order() -> None:
    running, most = 0, 0

    def job(number: int) -> object:
        async def work() -> int:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1
            return number

        return work

    answers = await at_once([job(number) for number in range(7)], 3)  # type: ignore[misc]
    assert (answers, most) == (list(range(7)), 3)
