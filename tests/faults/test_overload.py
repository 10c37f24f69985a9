from __future__ import annotations

import asyncio
import time

import httpx
from faults.callers import Reply, callers, chat, percentile
from live.conftest import LiveServer

LIMIT = 32
"""`--max-requests` of the server."""
ANSWERS = 96
TIMES = 4
SECONDS = 8
FIELDS = {"model": "tear-nano-direct", "max_completion_tokens": 48}


async def peak(http: httpx.AsyncClient) -> float:
    """Answers a second where there are always as many requests as the server takes on."""
    left = iter(range(ANSWERS))

    async def call() -> None:
        for seed in left:
            while (reply := await chat(http, Reply(), seed=seed, **FIELDS)).status == 503:
                pass  # the place of the reply before is free a moment after its end was read
            assert reply.is_done

    began = time.monotonic()
    await asyncio.gather(*(call() for _ in range(LIMIT)))
    return ANSWERS / (time.monotonic() - began)


async def test_four_times_what_it_can_do_is_refused_and_what_it_took_on_is_answered(busy: LiveServer) -> None:
    async with callers(busy.url) as http:
        most = await peak(http)
        replies, running = [Reply() for _ in range(int(TIMES * most * SECONDS))], list[asyncio.Task[Reply]]()
        began = time.monotonic()
        for number, reply in enumerate(replies):
            await asyncio.sleep(max(0.0, began + number / (TIMES * most) - time.monotonic()))
            running.append(asyncio.create_task(chat(http, reply, seed=number, **FIELDS)))
        await asyncio.gather(*running)
        goodput = sum(reply.is_done for reply in replies) / (time.monotonic() - began)
    answered = [reply for reply in replies if reply.status == 200]
    refused = [reply for reply in replies if reply.status != 200]
    waits_ms = [1000 * reply.seconds for reply in refused]
    print(
        f"{most:.1f} answers a second at most; {TIMES * most:.1f} asked for: {goodput:.1f} ({goodput / most:.2f}), "
        f"{len(answered)} answered, {len(refused)} refused, half within {percentile(waits_ms, 0.5):.1f} ms, 99 of 100 "
        f"within {percentile(waits_ms, 0.99):.1f} ms"
    )
    assert len(refused) > len(answered)
    assert {
        (reply.status, reply.error, reply.headers["retry-after"], reply.headers["x-should-retry"]) for reply in refused
    } == {(503, "overloaded", "1", "true")}
    assert all(reply.is_done and reply.error is None for reply in answered)
    assert goodput >= 0.5 * most
