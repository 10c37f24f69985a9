"""Traces by OpenTelemetry: off unless an endpoint is set, and then nothing of it is even imported."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tear_chain.errors import InvalidRequest

if TYPE_CHECKING:
    from tear_server.spans import Tracing

SIGNAL_PATH = "/v1/traces"


def traces_url(endpoint: str) -> str:
    """Where spans are sent to: the collector's address with the signal's path, as OTLP over HTTP has it."""
    endpoint = endpoint.rstrip("/")
    return endpoint if endpoint.endswith(SIGNAL_PATH) else endpoint + SIGNAL_PATH


@asynccontextmanager
async def open_tracing(endpoint: str | None) -> AsyncIterator[Tracing | None]:
    """What makes spans and sends them; the last ones when the context ends. `InvalidRequest` without the extra."""
    if endpoint is None:
        yield None
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from tear_server.spans import Tracing
    except ImportError as exc:
        raise InvalidRequest(
            "--otlp-endpoint needs OpenTelemetry. Install the extra: pip install 'the-tear[otel]'.",
            param="otlp_endpoint",
        ) from exc
    tracing = Tracing(BatchSpanProcessor(OTLPSpanExporter(endpoint=traces_url(endpoint))))
    try:
        yield tracing
    finally:
        await asyncio.to_thread(tracing.close)
