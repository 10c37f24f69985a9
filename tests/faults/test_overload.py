from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import httpx
from faults.callers import Reply, callers, chat, percentile
from live.conftest import LiveServer

LIMIT = 32
"""`--max-requests` of the server."""
ANSWERS = 128
FIELDS = {"model": "tear-nano-direct", "max_completion_tokens": 48}


@dataclass
class Load:
    """So many callers at once, until `ANSWERS` were given; who is refused comes again when told."""

    callers: int
    answered: list[Reply] = field(default_factory=list)
    refused: list[Reply] = field(default_factory=list)
    per_second: float = 0.0

    async def run(self, http: httpx.AsyncClient) -> None:
        left = iter(range(ANSWERS))
        began = time.monotonic()
        await asyncio.gather(*(self._call(http, left) for _ in range(self.callers)))
        self.per_second = ANSWERS / (time.monotonic() - began)

    async def _call(self, http: httpx.AsyncClient, left: object) -> None:
        for seed in left:  # type: ignore[attr-defined]
            while (reply := await chat(http, Reply(), seed=seed, **FIELDS)).status == 503:
                self.refused.append(reply)
                await asyncio.sleep(int(reply.headers["retry-after-ms"]) / 1000)
            self.answered.append(reply)


async def test_four_times_more_than_it_takes_on_is_refused_and_what_it_took_on_is_answered(busy: LiveServer) -> None:
    async with callers(busy.url) as http:
        peak, over = Load(LIMIT), Load(4 * LIMIT)
        await peak.run(http)
        await over.run(http)
    waits_ms = [1000 * reply.seconds for reply in over.refused]
    print(
        f"{peak.per_second:.1f} answers a second at the limit, {over.per_second:.1f} with four times as many callers "
        f"({over.per_second / peak.per_second:.2f}); {len(waits_ms)} refusals, half within "
        f"{percentile(waits_ms, 0.5):.1f} ms, 99 of 100 within {percentile(waits_ms, 0.99):.1f} ms"
    )
    assert len(over.refused) >= 3 * LIMIT
    assert {(reply.error, reply.headers["retry-after"], reply.headers["x-should-retry"]) for reply in over.refused} == {
        ("overloaded", "1", "true")
    }
    for load in (peak, over):
        assert len(load.answered) == ANSWERS
        assert all(reply.status == 200 and reply.is_done and reply.error is None for reply in load.answered)
    assert over.per_second >= 0.5 * peak.per_second
