"""The engine's process is killed, again and again; the tests stand in the order in which that goes on."""

from __future__ import annotations

import asyncio
import time

import httpx
import psutil
from faults.callers import Reply, callers, chat, until_status
from faults.conftest import core_of
from live.conftest import LiveServer
from stories import until

SEEDS = range(4)
STREAMS = 8
BACK_LIMIT_S = 120


async def answers(http: httpx.AsyncClient) -> list[str]:
    """What is said with each seed, and by which adapter."""
    replies = [await chat(http, Reply(), seed=seed) for seed in SEEDS]
    assert all(reply.is_done for reply in replies)
    return [f"{reply.reflection['adapter']}: {reply.reflection['answer']}" for reply in replies]


async def metrics(http: httpx.AsyncClient) -> tuple[float, float]:
    """Whether the engine is up, and how often it was started anew."""
    page = (await http.get("/metrics")).text.splitlines()
    told = dict(line.rsplit(" ", 1) for line in page if line.startswith("tear_engine"))
    return float(told["tear_engine_up"]), float(told["tear_engine_restarts_total"])


async def test_killed_under_load_it_fails_by_name_and_comes_back_as_it_was(mortal: LiveServer) -> None:
    async with callers(mortal.url) as http:
        before = await answers(http)
        replies = [Reply() for _ in range(STREAMS)]
        streams = [asyncio.create_task(chat(http, reply, seed=seed)) for seed, reply in enumerate(replies)]
        await until(lambda: all(len(reply.events) > 3 for reply in replies), limit_s=60)
        core = core_of(mortal)
        assert core is not None
        core.kill()
        killed_at = time.monotonic()
        await asyncio.gather(*streams)
        failed_s = time.monotonic() - killed_at
        ready, health, refused = await http.get("/ready"), await http.get("/health"), await chat(http, Reply())
        while_away = await metrics(http)
        await until_status(http, "/ready", 200, limit_s=BACK_LIMIT_S)
        back_s = time.monotonic() - killed_at
        print(f"all {STREAMS} failed within {failed_s:.2f} s; back after {back_s:.1f} s")
        after = await answers(http)
        now = await metrics(http)
    # One that had ended when it was killed has nothing to fail with.
    assert {reply.error for reply in replies} <= {"engine_dead", None}
    assert sum(reply.error == "engine_dead" for reply in replies) > 0
    assert all(reply.is_done for reply in replies)
    assert (ready.status_code, ready.json()["status"], health.status_code) == (503, "engine_away", 200)
    assert (refused.status, refused.error, refused.headers["x-should-retry"]) == (503, "engine_away", "true")
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert while_away[0] == 0
    assert after == before
    assert now == (1, 1)


async def test_killed_twice_more_it_is_given_up_and_the_process_says_so(mortal: LiveServer) -> None:
    async with callers(mortal.url) as http:
        first = core_of(mortal)
        assert first is not None
        first.kill()
        second = await other_core(mortal, first)
        assert (await http.get("/health")).status_code == 200
        second.kill()  # in the midst of its start, which counts as a death
        health = await until_status(http, "/health", 503, limit_s=BACK_LIMIT_S)
        ready, refused = await http.get("/ready"), await chat(http, Reply())
        for _ in range(20):
            assert (await http.get("/health")).status_code == 503
            await asyncio.sleep(0.05)
        now = await metrics(http)
    assert (health.json()["status"], ready.status_code, ready.json()["status"]) == ("engine_dead", 503, "engine_dead")
    assert (refused.status, refused.error) == (503, "engine_dead")
    assert now == (0, 2)
    assert core_of(mortal) is None


async def other_core(server: LiveServer, than: psutil.Process) -> psutil.Process:
    """The engine's next process, once it is there."""
    async with asyncio.timeout(BACK_LIMIT_S):
        while True:
            core = core_of(server)
            if core is not None and core.pid != than.pid:
                return core
            await asyncio.sleep(0.05)


async def test_a_server_without_an_engine_ends_when_it_is_asked_to(mortal: LiveServer) -> None:
    mortal.process.terminate()
    assert await asyncio.to_thread(mortal.process.wait, 60) == 0
