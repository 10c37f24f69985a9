from __future__ import annotations

import asyncio
import sqlite3

import httpx
from faults.callers import Reply, callers, chat
from faults.conftest import left_of
from live.conftest import LiveServer
from stories import until

CALLERS = 8
ENOUGH = 24


async def test_a_killed_server_leaves_no_process_and_its_journal_holds_all_that_was_answered(
    killed: LiveServer,
) -> None:
    seen: list[str] = []

    async def go_on(http: httpx.AsyncClient, seed: int) -> None:
        while True:
            reply = await chat(http, Reply(), seed=seed)
            if not reply.is_done:
                return
            seen.append(reply.reflection["id"])
            seed += CALLERS

    async with callers(killed.url) as http:
        going = [asyncio.create_task(go_on(http, seed)) for seed in range(CALLERS)]
        await until(lambda: len(seen) >= ENOUGH, limit_s=120)
        killed.process.kill()
        await asyncio.gather(*going)
    assert left_of(killed) == []
    with sqlite3.connect(killed.journal) as journal:
        kept = {row[0] for row in journal.execute("SELECT id FROM reflections")}
    journal.close()
    print(f"{len(seen)} answered, {len(kept)} kept")
    assert set(seen) <= kept
