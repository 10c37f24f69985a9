"""Callers who leave: vLLM has nothing left to do for them, whatever it was doing."""

from __future__ import annotations

import asyncio
import random
import re
import time

import httpx
import pytest
from faults.callers import Reply, asking, callers, chat, percentile
from live.conftest import LiveServer
from stories import until

from tear_chain.words import Stage

TRIES = 40
AT_ONCE = 8
"""As many as the server computes at once."""
IDLE_LIMIT_S = 10
WAYS = {
    "/v1/chat/completions": asking(n=2),
    "/v1/responses": {"input": "Am I any good?"},
    "/v1/reflections": asking(),
    "/v1/witness": {"items": [{**asking(), "answer": "Well. It was his time."}] * 3},
}


async def at_work(http: httpx.AsyncClient) -> tuple[int, int]:
    """What vLLM computes, and what waits in it."""
    page = (await http.get("/metrics")).text
    running, waiting = (
        sum(float(value) for value in re.findall(rf"^vllm:num_requests_{what}\{{[^}}]*\}} (\S+)$", page, re.M))
        for what in ("running", "waiting")
    )
    return int(running), int(waiting)


async def idle(http: httpx.AsyncClient) -> float:
    """How many milliseconds it takes until vLLM has nothing to do, as `/metrics` tells."""
    began = time.monotonic()
    async with asyncio.timeout(IDLE_LIMIT_S):
        while await at_work(http) != (0, 0):
            pass
    return 1000 * (time.monotonic() - began)


async def leave_in(http: httpx.AsyncClient, stage: Stage, seed: int) -> None:
    """Reflect, revising in any case, until there is text of that stage; then close the connection."""
    body = asking(stream=True, seed=seed, revise_threshold=0)
    if stage is not Stage.DRAFT:
        body["draft"] = "Well. It was his time."
    async with http.stream("POST", "/v1/reflections", json=body) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: ") and f'"stage":"{stage}"' in line and '"text"' in line:
                return
    raise AssertionError(f"it ended before there was text of the {stage}")


async def ended(http: httpx.AsyncClient) -> tuple[float, float]:
    """How many reflections have ended, and how many of them because nobody was there any more."""
    page = (await http.get("/metrics")).text
    found = re.findall(r'^tear_reflections_total\{.*outcome="(\w+)"\} (\S+)$', page, re.M)
    return sum(float(count) for _, count in found), sum(float(count) for why, count in found if why == "cancelled")


@pytest.mark.parametrize("stage", list(Stage))
async def test_whoever_leaves_a_stream_in_any_stage_leaves_no_work_behind(busy: LiveServer, stage: Stage) -> None:
    async with callers(busy.url) as http:
        before, took_ms = await ended(http), list[float]()
        for first in range(0, TRIES, AT_ONCE):
            await asyncio.gather(*(leave_in(http, stage, seed) for seed in range(first, first + AT_ONCE)))
            took_ms.append(await idle(http))
        after = await ended(http)
    cancelled = int(after[1] - before[1])
    print(f"{stage}: {cancelled} of {TRIES} cancelled, idle {percentile(took_ms, 1):.0f} ms after the last had left")
    assert after[0] - before[0] == TRIES
    assert cancelled >= TRIES // 2  # some had been written to the end before their caller had read so far


@pytest.mark.parametrize("path", WAYS)
async def test_whoever_leaves_before_an_answer_leaves_no_work_behind(busy: LiveServer, path: str) -> None:
    chance = random.Random(7)

    async def leave(http: httpx.AsyncClient) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(chance.uniform(0.02, 0.3)):
                await http.post(path, json=WAYS[path])

    async with callers(busy.url) as http:
        took_ms = list[float]()
        for _ in range(0, TRIES, AT_ONCE):
            await asyncio.gather(*(leave(http) for _ in range(AT_ONCE)))
            took_ms.append(await idle(http))
    print(f"{path}: idle within {percentile(took_ms, 1):.0f} ms of the last of {AT_ONCE} who left")
    assert len(took_ms) == TRIES // AT_ONCE


async def test_whoever_leaves_vllms_queue_is_taken_out_of_it_and_the_others_are_answered(busy: LiveServer) -> None:
    async with callers(busy.url) as http:
        before, replies = await ended(http), [Reply() for _ in range(AT_ONCE)]
        staying = [asyncio.create_task(chat(http, reply, seed=seed)) for seed, reply in enumerate(replies)]
        await until(lambda: all(len(reply.events) > 1 for reply in replies), limit_s=60)
        leaving = [asyncio.create_task(chat(http, Reply(), seed=seed)) for seed in range(2 * AT_ONCE)]
        while (await at_work(http))[1] == 0:
            assert not any(task.done() for task in leaving), "nobody waited"
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        await asyncio.gather(*staying)
        await idle(http)
        after = await ended(http)
    assert all(reply.is_done and reply.error is None for reply in replies)
    assert after[1] - before[1] == len(leaving)
