"""Clients who leave, whatever was going on: the engine's work for them ends."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from stories import MODEL, REVISED, asking, play, service_over, until

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Stage
from tear_server.api.app import build_app
from tear_server.service import Service

TRIES = 40
WITNESSED = {"items": [{**asking(), "answer": "Slow hands."}] * 3}
WAYS = [
    ("/v1/chat/completions", asking(stream=True), 1),
    ("/v1/chat/completions", asking(), 1),
    ("/v1/chat/completions", asking(stream=True, n=3), 3),
    ("/v1/chat/completions", asking(n=3), 3),
    ("/v1/responses", {"input": "Am I any good?", "stream": True}, 1),
    ("/v1/responses", {"input": "Am I any good?"}, 1),
    ("/v1/reflections", asking(stream=True), 1),
    ("/v1/reflections", asking(), 1),
]
"""Path, body and how many reflections that is."""
NAMES = [
    "chat-stream",
    "chat",
    "chats-stream",
    "chats",
    "response-stream",
    "response",
    "reflection-stream",
    "reflection",
]


@asynccontextmanager
async def listening(service: Service) -> AsyncIterator[str]:
    """The service on a real uvicorn in this event loop; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(build_app(service), log_level="warning", lifespan="off", ws="none")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await until(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


async def read_all(client: httpx.AsyncClient, url: str, body: object) -> None:
    async with client.stream("POST", url, json=body) as response:
        async for _ in response.aiter_bytes():
            pass


async def leave(tokenizer: ChainTokenizer, stage: Stage, *, path: str, body: object, reflections: int) -> None:
    """Leave `TRIES` times in that stage, which is long; nothing may be left of it, each time."""
    engine = play(tokenizer, REVISED, hang_in=stage)
    service, longest_s = service_over(engine, tokenizer), 0.0
    in_flight = {"model": MODEL}
    async with listening(service) as url, httpx.AsyncClient(timeout=30) as client:
        for number in range(1, TRIES + 1):
            reading = asyncio.create_task(read_all(client, url + path, body))
            await until(lambda: engine.reached.count(stage) == number * reflections)  # noqa: B023 - awaited here
            assert len(engine.closed) == len(engine.asked) - reflections
            left_at = time.monotonic()
            reading.cancel()
            await until(lambda: len(engine.closed) == len(engine.asked))
            longest_s = max(longest_s, time.monotonic() - left_at)
        await until(lambda: service.metrics.registry.get_sample_value("tear_in_flight", in_flight) == 0)
    print(f"the engine's work ended within {1000 * longest_s:.1f} ms, {TRIES} times of {TRIES}")
    counted = service.metrics.registry.get_sample_value("tear_reflections_total", {**in_flight, "outcome": "cancelled"})
    assert counted == TRIES * reflections


@pytest.mark.parametrize(("path", "body", "reflections"), WAYS, ids=NAMES)
@pytest.mark.parametrize("stage", list(Stage))
async def test_a_client_who_leaves_stops_the_engines_work(
    tokenizer: ChainTokenizer, stage: Stage, path: str, body: object, reflections: int
) -> None:
    await leave(tokenizer, stage, path=path, body=body, reflections=reflections)


async def test_a_client_who_leaves_a_batch_of_witnesses_stops_them_all(tokenizer: ChainTokenizer) -> None:
    await leave(tokenizer, Stage.WITNESS, path="/v1/witness", body=WITNESSED, reflections=3)


async def test_a_client_who_leaves_while_sending_begins_nothing(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED)
    service = service_over(engine, tokenizer)
    async with listening(service) as url:
        host, port = url.removeprefix("http://").split(":")
        for _ in range(TRIES):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(b'POST /v1/chat/completions HTTP/1.1\r\nhost: tear\r\ncontent-length: 100\r\n\r\n{"messages":')
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        async with httpx.AsyncClient() as client:
            assert (await client.post(f"{url}/v1/chat/completions", json=asking())).status_code == 200
    assert len({generation.id.split("-")[1] for generation in engine.asked}) == 1  # who stayed
    await asyncio.wait_for(service.door.empty(), 5)
