from __future__ import annotations

import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from stories import KEPT, MODEL, asking, play, service_over

from tear_chain.errors import InvalidRequest
from tear_chain.tokenizer import ChainTokenizer
from tear_server.api.app import build_app
from tear_server.tracing import open_tracing, traces_url


class Collector(HTTPServer):
    """Takes spans by OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.took: list[tuple[str, bytes]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Collector)
        self.server.took.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "endpoint",
    ["http://collector:4318", "http://collector:4318/", "http://collector:4318/v1/traces"],
)
def test_spans_go_to_the_signals_own_path(endpoint: str) -> None:
    assert traces_url(endpoint) == "http://collector:4318/v1/traces"


async def test_without_an_endpoint_nothing_is_traced() -> None:
    async with open_tracing(None) as tracing:
        assert tracing is None


async def test_without_the_extra_the_start_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(InvalidRequest, match=r"the-tear\[otel\]") as refused:
        async with open_tracing("http://collector:4318"):
            pass
    assert refused.value.param == "otlp_endpoint"


async def test_spans_reach_a_collector_before_the_server_has_ended(
    collector: Collector, tokenizer: ChainTokenizer
) -> None:
    from dataclasses import replace

    async with open_tracing(collector.address) as tracing:
        app = build_app(replace(service_over(play(tokenizer, KEPT), tokenizer), tracing=tracing))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tear") as http:
            await http.post("/v1/chat/completions", json=asking())
    [(path, body)] = collector.took
    [resource] = ExportTraceServiceRequest.FromString(body).resource_spans
    named = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert (path, named["service.name"]) == ("/v1/traces", "the-tear")
    assert [span.name for span in resource.scope_spans[0].spans] == ["draft", "witness", f"chat {MODEL}"]
