"""Start the whole service, and end it whole: artefacts checked, engine started, canary heard, then HTTP."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress

import prometheus_client
import uvicorn

from tear_chain.errors import InvalidRequest
from tear_server.api.app import Access, build_app
from tear_server.assembly import open_service
from tear_server.door import Door
from tear_server.embedded import CORE
from tear_server.keys import load_keys
from tear_server.launch import kill
from tear_server.logs import set_up_logs
from tear_server.service import Service
from tear_server.settings import ServerSettings
from tear_server.stopping import StopSignals

CLOSE_S = 5
"""How long connections may take to close once the engine has ended; what is open then is cut."""
IDLE_S = 75
"""How long a connection without a request stays open: longer than proxies keep theirs (nginx 60 s), so that none sends
a request down a connection that is being closed."""
_log = logging.getLogger("tear")


async def serve(settings: ServerSettings) -> None:
    """Run until SIGINT or SIGTERM; raise a `TearError` if the service cannot start."""
    # Cheap checks first: a missing file or a taken port is said in a second, not after the engine has started.
    access = read_access(settings)
    with bind(settings.host, settings.port) as listener:
        await attend(open_service(settings), access, listener, drain_s=settings.drain_seconds)


async def attend(
    opening: AbstractAsyncContextManager[Service], access: Access, listener: socket.socket, *, drain_s: float
) -> None:
    """Open a service and answer for it until a signal asks to stop; then let what is at work end, for `drain_s`."""
    with StopSignals(at_once=lambda: kill(CORE)) as signals:
        try:
            async with AsyncExitStack() as listening, opening as service:
                signals.started()
                server = await listening.enter_async_context(_listening(service, access, listener))
                await _first_of(signals.asked(), asyncio.shield(server))
                await _drain(service.door, signals, limit_s=drain_s)
                # The engine ends before the server: whatever is still at work ends by an error that has a name.
        except asyncio.CancelledError:
            if not signals.is_asked:
                raise


def read_access(settings: ServerSettings) -> Access:
    """Who may ask; `InvalidRequest` if that would be anybody on the network without having been said."""
    if settings.keys is None and not settings.anyone and not _is_loopback(settings.host):
        raise InvalidRequest(
            f"--host {settings.host} can be reached from other machines and no keys are set. Make keys with `tear key` "
            "and give --keys FILE, or say --anyone.",
            param="host",
        )
    if settings.keys is None and settings.adapters_dir is not None and not _is_loopback(settings.host):
        raise InvalidRequest(
            f"With --adapters-dir, whoever reaches --host {settings.host} could change what is served. Give --keys "
            "FILE with an admin key.",
            param="adapters_dir",
        )
    return Access(
        keys=None if settings.keys is None else load_keys(settings.keys),
        max_requests=settings.max_requests,
        max_body_bytes=settings.max_body_bytes,
        cors_origins=tuple(filter(None, (origin.strip() for origin in settings.cors_origins.split(",")))),
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def bind(host: str, port: int) -> socket.socket:
    """A TCP socket that has the address; raise `InvalidRequest` if it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol said, asyncio sends each event at once; without, the kernel keeps one back until the client has
    # acknowledged the one before, which takes it 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as exc:
        listener.close()
        raise InvalidRequest(
            f"Cannot listen on {host}:{port}: {exc.strerror}. Choose another --port, or end what listens there.",
            param="port",
        ) from exc
    return listener


@asynccontextmanager
async def _listening(service: Service, access: Access, listener: socket.socket) -> AsyncIterator[asyncio.Task[None]]:
    config = uvicorn.Config(
        build_app(service, access),
        log_config=None,  # its lines go where all others go
        log_level="warning",
        access_log=False,
        ws="none",
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=CLOSE_S,
    )
    host, port, *_ = listener.getsockname()
    _log.info("%s is ready on http://%s:%d", service.model, host, port)
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield serving
    finally:
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """Leaves the signals to `StopSignals`: they end the engine, too, and first let replies end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _drain(door: Door, signals: StopSignals, *, limit_s: float) -> None:
    """Take on nothing new and wait for what is at work; not longer than `limit_s`, nor after a second signal."""
    door.shut()
    _log.info("stopping; replies at work may go on for %g s", limit_s)
    with suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await _first_of(door.empty(), signals.hurried())


async def _first_of(*events: Awaitable[None]) -> None:
    """Return when one of them has happened."""
    waiting = {asyncio.ensure_future(event) for event in events}
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for event in waiting:
            event.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def run(settings: ServerSettings) -> None:
    """`serve` on an event loop of its own."""
    set_up_logs(settings.log_level, log_format=settings.log_format)
    logging.captureWarnings(True)
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    try:
        asyncio.run(serve(settings))
    finally:
        gc.collect()  # vLLM's finalizer must run before the interpreter takes its modules away
