"""Start the whole service, and end it whole: artefacts checked, engine started, canary heard, then HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import logging
import signal
import socket
import time
from collections.abc import Iterator

import prometheus_client
import uvicorn

from tear_chain.errors import InvalidRequest
from tear_chain.prepared import load_prepared
from tear_chain.tokenizer import ChainTokenizer
from tear_server.adapters import open_adapter, sing_canary
from tear_server.api.app import Access, build_app
from tear_server.budget import Limits
from tear_server.embedded import AdapterFiles, EngineOptions, embedded_engine
from tear_server.engine import Sampling
from tear_server.journal.address import read_address
from tear_server.journal.journal import open_journal
from tear_server.keys import load_keys
from tear_server.metrics import Metrics
from tear_server.reflection import Reflector
from tear_server.service import Service
from tear_server.settings import ServerSettings

DEFAULT_CONTEXT = 8192
"""Longer conversations are possible up to the base's own limit, and take their share of the KV cache."""
GRACE_S = 30
"""How long running replies may go on once the server was asked to stop."""


async def serve(settings: ServerSettings) -> None:
    """Run until SIGINT or SIGTERM; raise a `TearError` if the service cannot start."""
    # Cheap checks first: a missing file or a taken port is said in a second, not after the engine has started.
    access = _read_access(settings)
    with _bind(settings.host, settings.port) as listener:
        await _serve_on(listener, settings, access)


def _read_access(settings: ServerSettings) -> Access:
    if settings.keys is None and not settings.anyone and not _is_loopback(settings.host):
        raise InvalidRequest(
            f"--host {settings.host} can be reached from other machines and no keys are set. Make keys with `tear key` "
            "and give --keys FILE, or say --anyone.",
            param="host",
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


async def _serve_on(listener: socket.socket, settings: ServerSettings, access: Access) -> None:
    journal_at = None if settings.journal is None else read_address(settings.journal.get_secret_value())
    base = load_prepared(settings.base)
    adapter = open_adapter(settings.adapter, base)
    tokenizer = ChainTokenizer.load(settings.base)
    context = min(base.context, settings.context or DEFAULT_CONTEXT)
    options = EngineOptions(
        max_model_len=context,
        enforce_eager=settings.enforce_eager,
        gpu_memory_utilization=settings.gpu_memory_utilization,
        cpu_kv_cache_gib=settings.cpu_kv_cache_gib,
        max_num_seqs=settings.max_num_seqs,
    )
    files = AdapterFiles(adapter.name, adapter.folder, adapter.manifest.rank)
    name = settings.name or base.name
    metrics = Metrics()
    async with (
        open_journal(journal_at, days=settings.journal_days, metrics=metrics) as journal,
        embedded_engine(settings.base, files, name=name, options=options) as engine,
    ):
        await sing_canary(engine, tokenizer, adapter)
        limits = Limits(context=context, answer=settings.max_answer_tokens, witness=settings.max_witness_tokens)
        service = Service(
            model=name,
            base=base,
            adapter=adapter.name,
            manifest=adapter.manifest,
            engine=engine,
            reflector=Reflector(engine, tokenizer, adapter=adapter.name, limits=limits),
            metrics=metrics,
            context=context,
            sampling=Sampling(temperature=settings.temperature, top_p=settings.top_p),
            revise_threshold=settings.revise_threshold,
            started=int(time.time()),
            journal=journal,
        )
        service.metrics.announce(models=service.models, adapter=adapter.name, base=base.fingerprint)
        await _listen(service, access, listener)


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
        build_app(service, access), log_level="warning", access_log=False, ws="none", timeout_graceful_shutdown=GRACE_S
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
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("tear").setLevel(settings.log_level.upper())
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    try:
        asyncio.run(serve(settings))
    finally:
        gc.collect()  # vLLM's finalizer must run before the interpreter takes its modules away
