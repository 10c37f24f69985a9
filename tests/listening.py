"""An application on a real socket, in a thread of its own: for tests of clients, whose calls block."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from tear_server.api.app import Access, build_app
from tear_server.journal.address import read_address
from tear_server.journal.journal import Journal
from tear_server.journal.store import open_store
from tear_server.service import Service


@asynccontextmanager
async def opened(
    service: Service, *, journal: Path | None = None, access: Access | None = None
) -> AsyncIterator[FastAPI]:
    """The service's application, with a journal in that file if there is to be one."""
    if journal is None:
        yield build_app(service, access)
        return
    async with open_store(read_address(f"sqlite:///{journal}"), create=True) as store:
        yield build_app(replace(service, journal=Journal(store, service.metrics)), access)


@contextmanager
def listening(opening: AbstractAsyncContextManager[FastAPI]) -> Iterator[str]:
    """The URL at which the application answers."""
    started, servers = threading.Event(), []

    async def serve(listener: socket.socket) -> None:
        async with opening as app:
            server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
            servers.append(server)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn tells it in no other way
                await asyncio.sleep(0.001)
            started.set()
            await serving

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(serve(listener)))
        thread.start()
        try:
            assert started.wait(10), "the application did not start"
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for server in servers:
                server.should_exit = True
            thread.join(10)
    assert not thread.is_alive(), "the application did not stop"
