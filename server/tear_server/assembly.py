"""From settings to a running service: journal, engine, adapters, all checked before anybody may ask."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tear_chain.errors import InvalidRequest
from tear_chain.tokenizer import ChainTokenizer
from tear_server.adapters import sing_canary
from tear_server.budget import Limits
from tear_server.deadline import Deadlines
from tear_server.door import Door
from tear_server.embedded import embedded_engine
from tear_server.engine import AdapterFiles, AdapterHost, Engine, Sampling
from tear_server.engine_args import check_allowed
from tear_server.engine_options import EngineOptions
from tear_server.journal.address import read_address
from tear_server.journal.journal import open_journal
from tear_server.lifeline import Prove, lasting_engine
from tear_server.lineup import Lineup, base_folder, read_lineup
from tear_server.logs import VLLM_JSON_LOGS
from tear_server.metrics import Metrics
from tear_server.reflection import Reflector
from tear_server.registry import Registry, twins
from tear_server.remote import RemoteOptions, remote_engine
from tear_server.rollout import Rig, Rollout, open_rollout
from tear_server.second_look import open_second_look
from tear_server.service import Service
from tear_server.settings import ServerSettings
from tear_server.tracing import open_tracing, traces_url

DEFAULT_CONTEXT = 8192
"""Longer conversations are possible up to the base's own limit, and take their share of the KV cache."""


@asynccontextmanager
async def open_service(settings: ServerSettings) -> AsyncIterator[Service]:
    """Start what answers; leaving the context ends it. Raises a `TearError` if something does not fit or start."""
    check_allowed(settings.engine_args)
    journal_at = None if settings.journal is None else read_address(settings.journal.get_secret_value())
    lineup = read_lineup(settings)
    base, name = lineup.base, lineup.default
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
        max_lora_rank=lineup.max_rank,
        max_loras=lineup.capacity,
        args=settings.engine_args,
    )
    files = [AdapterFiles(adapter.name, adapter.folder, adapter.manifest.rank) for adapter in lineup.versions]
    registry = lineup.registry()
    metrics = Metrics()

    async def prove(engine: Engine, loaded: AdapterFiles) -> None:
        await sing_canary(engine, tokenizer, loaded)

    async with (
        open_tracing(settings.otlp_endpoint) as tracing,
        open_journal(journal_at, days=settings.journal_days, metrics=metrics) as journal,
        base_folder(lineup, settings) as folder,
        _engine(settings, folder, files, name=name, options=options, prove=prove, metrics=metrics) as running,
        _rollout(settings, lineup, registry, running, tokenizer, metrics) as rollout,
    ):
        engine = running.engine
        limits = Limits(context=context, answer=settings.max_answer_tokens, witness=settings.max_witness_tokens)
        deadlines = Deadlines(
            draft_s=settings.draft_deadline_s,
            witness_s=settings.witness_deadline_s,
            revision_s=settings.revision_deadline_s,
        )
        reflector = Reflector(engine, tokenizer, limits=limits, deadlines=deadlines, is_merged=lineup.is_merged)
        service = Service(
            base=base,
            registry=registry,
            engine=engine,
            reflector=reflector,
            metrics=metrics,
            context=context,
            sampling=Sampling(temperature=settings.temperature, top_p=settings.top_p),
            revise_threshold=settings.revise_threshold,
            started=int(time.time()),
            journal=journal,
            tracing=tracing,
            rollout=rollout,
            door=running.door,
        )
        for model, line in registry.lines:
            metrics.announce(models=twins(model), adapter=line.now.name, base=base.fingerprint, cas=line.now.cas)
        share, door = settings.second_look, running.door
        async with open_second_look(reflector, registry, metrics, share=share, door=door) as second_look:
            yield replace(service, second_look=second_look)


@dataclass(frozen=True, slots=True)
class _Running:
    """The engine, twice where it takes adapters in."""

    engine: Engine
    host: AdapterHost | None
    door: Door


@asynccontextmanager
async def _engine(
    settings: ServerSettings,
    folder: Path,
    files: Sequence[AdapterFiles],
    *,
    name: str,
    options: EngineOptions,
    prove: Prove,
    metrics: Metrics,
) -> AsyncIterator[_Running]:
    if settings.engine is None:
        first = files[0] if files else None
        async with lasting_engine(
            lambda: embedded_engine(folder, first, name=name, options=options),
            files,
            prove=prove,
            restarts=settings.engine_restarts,
            metrics=metrics,
        ) as lasting:
            yield _Running(lasting, host=lasting, door=Door(lasting.ailing))
        return
    if not files:
        raise InvalidRequest(
            "--engine goes with an adapter that vLLM serves there, not with a merged base.", param="engine"
        )
    key = settings.engine_key
    remote = RemoteOptions(
        url=str(settings.engine),
        key=None if key is None else key.get_secret_value(),
        connect_timeout_s=settings.engine_connect_timeout_s,
        read_timeout_s=settings.engine_read_timeout_s,
    )
    window, on_retry = options.max_model_len, metrics.engine_retries.inc
    async with remote_engine(remote, files[0], name=name, context=window, on_retry=on_retry) as elsewhere:
        for each in files:
            await prove(elsewhere, each)
        metrics.engine_up.set(1)
        yield _Running(elsewhere, host=None, door=Door())


@asynccontextmanager
async def _rollout(
    settings: ServerSettings,
    lineup: Lineup,
    registry: Registry,
    running: _Running,
    tokenizer: ChainTokenizer,
    metrics: Metrics,
) -> AsyncIterator[Rollout | None]:
    if settings.adapters_dir is None or running.host is None:
        yield None
        return
    rig = Rig(lineup.base, tokenizer, running.engine, running.host)
    async with open_rollout(settings.adapters_dir, registry, rig, metrics=metrics, capacity=lineup.capacity) as rollout:
        yield rollout
