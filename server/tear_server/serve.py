"""Start the whole service, and end it whole: artefacts checked, engine started, canary heard, then HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import logging
import signal
import socket
from collections.abc import Iterator

import prometheus_client
import uvicorn

from tear_chain.errors import InvalidRequest
from tear_server.api.app import Access, build_app
from tear_server.assembly import open_service
from tear_server.keys import load_keys
from tear_server.logs import set_up_logs
from tear_server.service import Service
from tear_server.settings import ServerSettings

GRACE_S = 30
"""How long running replies may go on once the server was asked to stop."""


async def serve(settings: ServerSettings) -> None:
    """Run until SIGINT or SIGTERM; raise a `TearError` if the service cannot start."""
    # Cheap checks first: a missing file or a taken port is said in a second, not after the engine has started.
    access = read_access(settings)
    with _bind(settings.host, settings.port) as listener:
        async with open_service(settings) as service:
            await _listen(service, access, listener)


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


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
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


async def _listen(service: Service, access: Access, listener: socket.socket) -> None:
    config = uvicorn.Config(
        build_app(service, access),
        log_config=None,  # its lines go where all others go
        log_level="warning",
        access_log=False,
        ws="none",
        timeout_graceful_shutdown=GRACE_S,
    )
    host, port, *_ = listener.getsockname()
    logging.getLogger("tear").info("%s is ready on http://%s:%d", service.model, host, port)
    with _signals_stay_here():
        await uvicorn.Server(config).serve(sockets=[listener])


@contextlib.contextmanager
def _signals_stay_here() -> Iterator[None]:
    """uvicorn raises the signal that ended it once more; the engine behind it must be ended first."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(settings: ServerSettings) -> None:
    """`serve` on an event loop of its own."""
    set_up_logs(settings.log_level, log_format=settings.log_format)
    logging.captureWarnings(True)
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    try:
        asyncio.run(serve(settings))
    finally:
        gc.collect()  # vLLM's finalizer must run before the interpreter takes its modules away
