"""From settings to a running service: journal, engine, adapter, all checked before anybody may ask."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from tear_chain.prepared import load_prepared
from tear_chain.tokenizer import ChainTokenizer
from tear_server.adapters import open_adapter, sing_canary
from tear_server.budget import Limits
from tear_server.deadline import Deadlines
from tear_server.embedded import EngineOptions, embedded_engine
from tear_server.engine import AdapterFiles, Engine, Sampling
from tear_server.journal.address import read_address
from tear_server.journal.journal import open_journal
from tear_server.logs import VLLM_JSON_LOGS
from tear_server.metrics import Metrics
from tear_server.reflection import Reflector
from tear_server.remote import RemoteOptions, remote_engine
from tear_server.service import Service
from tear_server.settings import ServerSettings
from tear_server.tracing import open_tracing, traces_url

DEFAULT_CONTEXT = 8192
"""Longer conversations are possible up to the base's own limit, and take their share of the KV cache."""


@asynccontextmanager
async def open_service(settings: ServerSettings) -> AsyncIterator[Service]:
    """Start what answers; leaving the context ends it. Raises a `TearError` if something does not fit or start."""
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
        traces_url=settings.otlp_endpoint and traces_url(settings.otlp_endpoint),
        log_config=VLLM_JSON_LOGS if settings.log_format == "json" else None,
    )
    files = AdapterFiles(adapter.name, adapter.folder, adapter.manifest.rank)
    name = settings.name or base.name
    metrics = Metrics()
    async with (
        open_tracing(settings.otlp_endpoint) as tracing,
        open_journal(journal_at, days=settings.journal_days, metrics=metrics) as journal,
        _engine(settings, files, name=name, options=options, metrics=metrics) as engine,
    ):
        await sing_canary(engine, tokenizer, adapter)
        limits = Limits(context=context, answer=settings.max_answer_tokens, witness=settings.max_witness_tokens)
        deadlines = Deadlines(
            draft_s=settings.draft_deadline_s,
            witness_s=settings.witness_deadline_s,
            revision_s=settings.revision_deadline_s,
        )
        service = Service(
            model=name,
            base=base,
            adapter=adapter.name,
            manifest=adapter.manifest,
            engine=engine,
            reflector=Reflector(engine, tokenizer, adapter=adapter.name, limits=limits, deadlines=deadlines),
            metrics=metrics,
            context=context,
            sampling=Sampling(temperature=settings.temperature, top_p=settings.top_p),
            revise_threshold=settings.revise_threshold,
            started=int(time.time()),
            journal=journal,
            tracing=tracing,
        )
        service.metrics.announce(models=service.models, adapter=adapter.name, base=base.fingerprint)
        yield service


def _engine(
    settings: ServerSettings, files: AdapterFiles, *, name: str, options: EngineOptions, metrics: Metrics
) -> AbstractAsyncContextManager[Engine]:
    if settings.engine is None:
        return embedded_engine(settings.base, files, name=name, options=options)
    key = settings.engine_key
    remote = RemoteOptions(
        url=str(settings.engine),
        key=None if key is None else key.get_secret_value(),
        connect_timeout_s=settings.engine_connect_timeout_s,
        read_timeout_s=settings.engine_read_timeout_s,
    )
    return remote_engine(remote, files, name=name, context=options.max_model_len, on_retry=metrics.engine_retries.inc)
