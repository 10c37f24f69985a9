from __future__ import annotations

import asyncio

import httpx
import pytest
from stories import KEPT, MODEL, asking, get, play, post, service_over, until

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Stage
from tear_server.api.app import Access, build_app
from tear_server.service import Service

CHAT = "/v1/chat/completions"


@pytest.fixture
def service(tokenizer: ChainTokenizer) -> Service:
    return service_over(play(tokenizer, KEPT), tokenizer)


def counted(service: Service) -> dict[tuple[str, str, str], float]:
    """How often each route, method and status was counted; those never counted left out."""
    families = {family.name: family for family in service.metrics.registry.collect()}
    found: dict[tuple[str, str, str], float] = {}
    for sample in families["tear_http_requests"].samples:
        if sample.name.endswith("_total") and sample.value:
            found[sample.labels["route"], sample.labels["method"], sample.labels["status"]] = sample.value
    return found


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_request_is_counted_and_timed_once(service: Service, stream: bool) -> None:
    await post(service, CHAT, asking(stream=stream))
    assert counted(service) == {(CHAT, "POST", "200"): 1}
    timed = {"route": CHAT, "method": "POST"}
    assert service.metrics.registry.get_sample_value("tear_http_request_seconds_count", timed) == 1


async def test_what_stands_in_a_path_is_no_label(service: Service) -> None:
    await get(service, f"/v1/models/{MODEL}")
    await get(service, "/v1/models/none")
    await get(service, "/Zanzibar")
    assert counted(service) == {
        ("/v1/models/{name}", "GET", "200"): 1,
        ("/v1/models/{name}", "GET", "404"): 1,
        ("(no such path)", "GET", "404"): 1,
    }


async def test_a_method_that_a_client_made_up_is_no_label(service: Service) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build_app(service)), base_url="http://tear") as http:
        await http.request("BREW", CHAT)
    assert counted(service) == {(CHAT, "OTHER", "405"): 1}


async def test_what_the_gate_refuses_is_counted(service: Service) -> None:
    app = build_app(service, Access(max_requests=0))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tear") as http:
        await http.post(CHAT, json=asking())
    assert counted(service) == {(CHAT, "POST", "503"): 1}


async def test_a_surprise_is_counted_as_500(service: Service) -> None:
    app = build_app(service)

    @app.get("/surprise")
    async def surprise() -> None:
        raise LookupError

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tear") as http:
        await http.get("/surprise")
    assert counted(service) == {("/surprise", "GET", "500"): 1}


def test_every_route_begins_at_zero(service: Service) -> None:
    build_app(service)
    for route, method in ((CHAT, "POST"), ("/v1/witness", "POST"), ("/metrics", "GET"), ("/v1/models/{name}", "GET")):
        for status in ("200", "500", "503"):
            labels = {"route": route, "method": method, "status": status}
            assert service.metrics.registry.get_sample_value("tear_http_requests_total", labels) == 0


def test_every_refusal_begins_at_zero(service: Service) -> None:
    build_app(service)
    for code in ("invalid_request", "overloaded", "rate_limit_exceeded", "stopping", "engine_away", "invalid_api_key"):
        assert service.metrics.registry.get_sample_value("tear_rejected_total", {"code": code}) == 0


async def test_places_taken_are_shown_beside_those_there_are(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, KEPT, hang_in=Stage.DRAFT)
    service = service_over(engine, tokenizer)
    app = build_app(service, Access(max_requests=5))
    sample = service.metrics.registry.get_sample_value
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tear") as http:
        asked = asyncio.create_task(http.post(CHAT, json=asking(n=3)))
        await until(lambda: len(engine.reached) == 3)
        assert (sample("tear_admitted"), sample("tear_admission_limit")) == (3, 5)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
    assert sample("tear_admitted") == 0
