from __future__ import annotations

import asyncio
import signal

from faults.callers import Reply, callers, chat, until_status
from faults.conftest import left_of
from live.conftest import STOP_LIMIT_S, LiveServer
from stories import until

STREAMS = 32


async def test_a_server_asked_to_stop_under_load_cuts_nobody_and_ends_with_0(busy: LiveServer) -> None:
    engine = busy.process.children(recursive=True)
    replies = [Reply() for _ in range(STREAMS)]
    async with callers(busy.url) as http:
        streams = [asyncio.create_task(chat(http, reply, seed=seed)) for seed, reply in enumerate(replies)]
        await until(lambda: all(reply.events for reply in replies), limit_s=60)
        for process in engine:
            process.send_signal(signal.SIGINT)  # Ctrl-C in a terminal reaches them, too
        busy.process.terminate()
        ready = await until_status(http, "/ready", 503, limit_s=10)
        refused = await chat(http, Reply())
        alive = await http.get("/health")
        at_work = sum(not stream.done() for stream in streams)
        await asyncio.gather(*streams)
    print(
        f"{at_work} of {STREAMS} at work after the signal; the last ended after {max(r.seconds for r in replies):.1f} s"
    )
    assert (ready.status_code, ready.json()["status"], alive.status_code) == (503, "stopping", 200)
    assert (refused.status, refused.error, refused.headers["x-should-retry"]) == (503, "stopping", "true")
    assert refused.headers["retry-after"] == "1"
    assert at_work > 0
    assert [reply.error for reply in replies] == [None] * STREAMS
    assert sum(reply.is_done for reply in replies) == STREAMS
    assert await asyncio.to_thread(busy.process.wait, STOP_LIMIT_S) == 0
    assert left_of(busy) == []
    assert "Traceback" not in busy.log.read_text()
