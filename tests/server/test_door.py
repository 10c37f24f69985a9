from __future__ import annotations

import asyncio

import pytest

from tear_chain.errors import EngineAway, EngineDead, Stopping
from tear_server.door import Door


def test_an_open_door_lets_everybody_in() -> None:
    Door().check()


def test_a_shut_door_lets_nobody_in() -> None:
    door = Door()
    door.shut()
    with pytest.raises(Stopping) as refused:
        door.check()
    assert refused.value.retryable
    assert refused.value.retry_after_s == 1


def test_what_ails_the_engine_keeps_work_out_for_as_long_as_it_does() -> None:
    ails: list[EngineDead | None] = [EngineAway("It is away.", retry_after_s=7), None]
    door = Door(lambda: ails.pop(0))
    with pytest.raises(EngineAway, match="It is away"):
        door.check()
    door.check()


def test_a_server_that_stops_says_so_whatever_ails_its_engine() -> None:
    door = Door(lambda: EngineDead("It is dead."))
    door.shut()
    with pytest.raises(Stopping):
        door.check()


async def test_a_house_with_nobody_inside_is_empty() -> None:
    await asyncio.wait_for(Door().empty(), 1)


async def test_it_is_empty_once_the_last_has_left() -> None:
    door = Door()
    door.enter()
    door.enter()
    waiting = asyncio.create_task(door.empty())
    door.leave()
    await asyncio.sleep(0)
    assert not waiting.done()
    door.leave()
    await asyncio.wait_for(waiting, 1)
