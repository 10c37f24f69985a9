from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from scripted import ScriptedEngine
from stories import KEPT, MODEL, REVISED, asking, play, service_over, until

from tear_chain.errors import EngineAway
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Stage
from tear_server.api import gate
from tear_server.api.app import Access, build_app
from tear_server.api.gate import RATE_HEADERS
from tear_server.door import Door
from tear_server.keys import Key, make_key

CHAT = "/v1/chat/completions"
ALICE, ALICES = make_key()
ADMIN, ADMINS = make_key()
MANY = {CHAT: asking(n=3), "/v1/witness": {"items": [asking(answer="No.")] * 3}}
"""Requests for three reflections each."""
KEYS = {"alice": Key(sha256=ALICES), "ops": Key(sha256=ADMINS, admin=True)}


def app_over(tokenizer: ChainTokenizer, engine: ScriptedEngine, **access: Any) -> FastAPI:
    return build_app(service_over(engine, tokenizer), Access(**access))


def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tear")


def bearing(key: str, scheme: str = "Bearer") -> Mapping[str, str]:
    return {"authorization": f"{scheme} {key}"}


@pytest.mark.parametrize(
    "headers",
    [{}, bearing("wrong"), bearing(ALICE, "Basic"), {"authorization": ALICE}, bearing("")],
    ids=["none", "unknown", "scheme", "bare", "empty"],
)
@pytest.mark.parametrize("path", [CHAT, "/v1/models", "/v1/witness", "/v1/nothing"])
async def test_without_a_known_key_nothing_is_told(
    tokenizer: ChainTokenizer, headers: Mapping[str, str], path: str
) -> None:
    engine = play(tokenizer, KEPT)
    async with client(app_over(tokenizer, engine, keys=KEYS)) as http:
        response = await http.request("GET" if path == "/v1/models" else "POST", path, headers=headers)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["type"]) == (401, "invalid_api_key", "invalid_request_error")
    assert (response.headers["www-authenticate"], response.headers["x-should-retry"]) == ("Bearer", "false")
    assert engine.asked == []


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_known_key_is_let_in(tokenizer: ChainTokenizer, scheme: str) -> None:
    async with client(app_over(tokenizer, play(tokenizer, KEPT), keys=KEYS)) as http:
        response = await http.post(CHAT, json=asking(), headers=bearing(ALICE, scheme))
    assert response.status_code == 200


async def test_what_is_served_is_changed_by_admins_alone(tokenizer: ChainTokenizer) -> None:
    async with client(app_over(tokenizer, play(tokenizer, KEPT), keys=KEYS)) as http:
        for key, allowed in ((ALICE, False), (ADMIN, True)):
            response = await http.post("/v1/adapters", json={}, headers=bearing(key))
            assert (response.status_code != 401) == allowed


@pytest.mark.parametrize("path", ["/health", "/ready", "/version", "/metrics", "/docs", "/openapi.json"])
async def test_probes_need_no_key(tokenizer: ChainTokenizer, path: str) -> None:
    async with client(app_over(tokenizer, play(tokenizer, KEPT), keys=KEYS)) as http:
        assert (await http.get(path)).status_code == 200


async def test_a_key_that_asks_too_often_is_told_when_to_come_again(tokenizer: ChainTokenizer) -> None:
    keys = {"alice": Key(sha256=ALICES, requests_per_minute=2), "bob": Key(sha256=ADMINS)}
    async with client(app_over(tokenizer, play(tokenizer, KEPT), keys=keys)) as http:
        responses = [await http.post(CHAT, json=asking(), headers=bearing(ALICE)) for _ in range(3)]
        other = await http.post(CHAT, json=asking(), headers=bearing(ADMIN))
        listed = await http.get("/v1/models", headers=bearing(ALICE))
    assert [each.status_code for each in responses] == [200, 200, 429]
    assert [each.headers["x-ratelimit-remaining-requests"] for each in responses[:2]] == ["1", "0"]
    refusal = responses[2]
    assert refusal.json()["error"]["code"] == "rate_limit_exceeded"
    assert (refusal.headers["x-should-retry"], refusal.headers["retry-after"]) == ("true", "30")
    assert 29_000 < int(refusal.headers["retry-after-ms"]) <= 30_000
    assert (other.status_code, listed.status_code) == (200, 200)


async def test_a_full_server_refuses_at_once_and_has_room_again_later(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED, hang_in=Stage.WITNESS)
    app = app_over(tokenizer, engine, max_requests=2)
    async with client(app) as http:
        working = [asyncio.create_task(http.post(CHAT, json=asking())) for _ in range(2)]
        await until(lambda: engine.reached.count(Stage.WITNESS) == 2)
        refused = await http.post(CHAT, json=asking())
        ready = await http.get("/ready")
        for work in working:
            work.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        engine.hang_in = None
        later = await http.post(CHAT, json=asking())
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
    assert (refused.headers["retry-after"], refused.headers["x-should-retry"]) == ("1", "true")
    assert (ready.status_code, later.status_code) == (200, 200)
    assert len(engine.asked) == 2 + 1


async def test_a_body_that_does_not_come_is_not_waited_for(
    tokenizer: ChainTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    monkeypatch.setattr(gate, "BODY_LIMIT_S", 0.01)
    async with client(app_over(tokenizer, play(tokenizer, KEPT), max_requests=1)) as http:
        refused = await http.post(CHAT, content=pieces())
        later = await http.post(CHAT, json=asking())
    assert (refused.status_code, refused.json()["error"]["code"]) == (408, "request_timeout")
    assert (refused.headers["x-should-retry"], later.status_code) == ("true", 200)


async def test_who_leaves_while_it_sends_leaves_its_place(tokenizer: ChainTokenizer) -> None:
    begun = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        begun.set()
        await asyncio.Event().wait()
        yield b""

    async with client(app_over(tokenizer, play(tokenizer, KEPT), max_requests=1)) as http:
        sending = asyncio.create_task(http.post(CHAT, content=pieces()))
        await begun.wait()
        full = await http.post(CHAT, json=asking())
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        later = await http.post(CHAT, json=asking())
    assert (full.status_code, later.status_code) == (503, 200)


async def test_a_full_server_refuses_before_it_reads_a_body(tokenizer: ChainTokenizer) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        raise AssertionError("it was read")
        yield b""

    engine = play(tokenizer, REVISED, hang_in=Stage.DRAFT)
    async with client(app_over(tokenizer, engine, max_requests=1)) as http:
        working = asyncio.create_task(http.post(CHAT, json=asking()))
        await until(lambda: engine.reached)
        refused = await http.post(CHAT, content=pieces())
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")


@pytest.mark.parametrize(("path", "body"), MANY.items(), ids=["n", "items"])
async def test_a_request_counts_as_many_reflections_as_it_asks_for(
    tokenizer: ChainTokenizer, path: str, body: dict[str, Any]
) -> None:
    engine = play(tokenizer, REVISED, hang_in=Stage.WITNESS)
    async with client(app_over(tokenizer, engine, max_requests=4)) as http:
        working = asyncio.create_task(http.post(path, json=body))
        await until(lambda: engine.reached.count(Stage.WITNESS) == 3)
        refused = await http.post(path, json=body)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        engine.hang_in = None
        later = [(await http.post(path, json=body)).status_code for _ in range(3)]
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert later == [200] * 3
    assert len(engine.asked) >= 4 * 3


@pytest.mark.parametrize(("path", "body"), MANY.items(), ids=["n", "items"])
async def test_what_never_fits_is_not_to_be_tried_again(
    tokenizer: ChainTokenizer, path: str, body: dict[str, Any]
) -> None:
    async with client(app_over(tokenizer, play(tokenizer, REVISED), max_requests=2)) as http:
        refused = await http.post(path, json=body)
    error = refused.json()["error"]
    assert (refused.status_code, error["param"]) == (400, "n" if path == CHAT else "items")
    assert refused.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(("path", "body"), MANY.items(), ids=["n", "items"])
async def test_a_key_is_charged_for_every_reflection(
    tokenizer: ChainTokenizer, path: str, body: dict[str, Any]
) -> None:
    keys = {"alice": Key(sha256=ALICES, requests_per_minute=4)}
    async with client(app_over(tokenizer, play(tokenizer, REVISED), keys=keys)) as http:
        http.headers.update(bearing(ALICE))
        answers = [await http.post(path, json=body) for _ in range(3)]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert [each.headers["x-ratelimit-remaining-requests"] for each in answers] == ["1", "0", "0"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_key_that_used_up_its_tokens_waits_for_more(tokenizer: ChainTokenizer, stream: bool) -> None:
    keys = {"alice": Key(sha256=ALICES, tokens_per_minute=50)}
    async with client(app_over(tokenizer, play(tokenizer, REVISED), keys=keys)) as http:
        http.headers.update(bearing(ALICE))
        first = await http.post(CHAT, json=asking(stream=stream))
        refused = await http.post(CHAT, json=asking())
        listed = await http.get("/v1/models")
    assert (first.status_code, refused.status_code, listed.status_code) == (200, 429, 200)
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert "50 tokens a minute" in refused.json()["error"]["message"]
    assert (first.headers["x-ratelimit-limit-tokens"], first.headers["x-ratelimit-remaining-tokens"]) == ("50", "50")
    assert refused.headers["x-ratelimit-remaining-tokens"] == "0"
    assert int(refused.headers["retry-after"]) > 0


async def test_tokens_are_charged_as_usage_tells_them(tokenizer: ChainTokenizer) -> None:
    keys = {"alice": Key(sha256=ALICES, tokens_per_minute=10**6)}
    async with client(app_over(tokenizer, play(tokenizer, REVISED), keys=keys)) as http:
        http.headers.update(bearing(ALICE))
        used = [(await http.post(path, json=body)).json()["usage"]["total_tokens"] for path, body in MANY.items()]
        left = int((await http.post(CHAT, json={})).headers["x-ratelimit-remaining-tokens"])
    # What comes back within the second that this took.
    assert 10**6 - sum(used) <= left <= 10**6 - sum(used) + 10**6 / 60 * 5


async def test_who_leaves_before_the_end_has_used_what_was_generated(tokenizer: ChainTokenizer) -> None:
    keys = {"alice": Key(sha256=ALICES, tokens_per_minute=5)}
    engine = play(tokenizer, REVISED, hang_in=Stage.WITNESS)
    async with client(app_over(tokenizer, engine, keys=keys)) as http:
        http.headers.update(bearing(ALICE))
        working = asyncio.create_task(http.post(CHAT, json=asking(stream=True)))
        await until(lambda: Stage.WITNESS in engine.reached)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        refused = await http.post(CHAT, json=asking())
    assert refused.status_code == 429


async def test_a_refusal_says_how_much_is_left_and_when_all_of_it_is_back(tokenizer: ChainTokenizer) -> None:
    keys = {"alice": Key(sha256=ALICES, requests_per_minute=2, tokens_per_minute=10**6)}
    async with client(app_over(tokenizer, play(tokenizer, KEPT), keys=keys)) as http:
        http.headers.update(bearing(ALICE))
        *_, refused = [await http.post(CHAT, json=asking()) for _ in range(3)]
    told = {name: refused.headers[name] for name in RATE_HEADERS}
    assert (told["x-ratelimit-limit-requests"], told["x-ratelimit-remaining-requests"]) == ("2", "0")
    assert 59 < float(told["x-ratelimit-reset-requests"].removesuffix("s")) <= 60
    assert told["x-ratelimit-limit-tokens"] == str(10**6)


async def test_a_page_may_read_what_it_is_told_of_limits(tokenizer: ChainTokenizer) -> None:
    origin = {"origin": "https://page.example"}
    async with client(app_over(tokenizer, play(tokenizer, KEPT), cors_origins=("https://page.example",))) as http:
        response = await http.post(CHAT, json=asking(), headers=origin)
    exposed = set(response.headers["access-control-expose-headers"].split(", "))
    assert exposed >= {*RATE_HEADERS, "x-request-id", "retry-after", "retry-after-ms", "x-should-retry"}


async def test_a_shut_door_refuses_new_work_at_once_and_nothing_else(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED)
    keys = {"alice": Key(sha256=ALICES, requests_per_minute=1)}
    service = service_over(engine, tokenizer)
    async with client(build_app(service, Access(keys=keys))) as http:
        service.door.shut()
        refused = [await http.post(path, json={}, headers=bearing(ALICE)) for path in (CHAT, "/v1/witness")]
        unknown = await http.post(CHAT, json=asking())
        listed = await http.get("/v1/models", headers=bearing(ALICE))
    for each in refused:
        assert (each.status_code, each.json()["error"]["code"]) == (503, "stopping")
        assert (each.headers["retry-after"], each.headers["x-should-retry"]) == ("1", "true")
    assert (unknown.status_code, listed.status_code) == (401, 200)
    assert engine.asked == []
    assert service.metrics.registry.get_sample_value("tear_rejected_total", {"code": "stopping"}) == 2


async def test_while_the_engine_is_away_callers_are_told_when_it_will_be_back(tokenizer: ChainTokenizer) -> None:
    away = Door(lambda: EngineAway("It is being started anew.", retry_after_s=6.5))
    service = replace(service_over(play(tokenizer, REVISED), tokenizer), door=away)
    async with client(build_app(service)) as http:
        refused = await http.post(CHAT, json=asking(stream=True))
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "engine_away")
    told = refused.headers
    assert (told["retry-after"], told["retry-after-ms"], told["x-should-retry"]) == ("7", "6500", "true")


async def test_what_is_at_work_is_inside_until_its_reply_has_gone_out(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED, hang_in=Stage.REVISED)
    service = service_over(engine, tokenizer)
    async with client(build_app(service)) as http:
        working = asyncio.create_task(http.post(CHAT, json=asking()))
        await until(lambda: engine.reached[-1:] == [Stage.REVISED])
        empty = asyncio.create_task(service.door.empty())
        service.door.shut()
        await asyncio.sleep(0)
        assert not empty.done()
        working.cancel()
        await asyncio.wait_for(empty, 5)
    assert len(engine.closed) == len(engine.asked)


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
async def test_a_body_beyond_the_limit_is_refused_unread(tokenizer: ChainTokenizer, chunked: bool) -> None:
    async def pieces() -> Any:
        for _ in range(100):
            yield b"x" * 1024

    engine = play(tokenizer, KEPT)
    async with client(app_over(tokenizer, engine, max_body_bytes=4096)) as http:
        response = await http.post(CHAT, content=pieces() if chunked else b"x" * 5000)
        fits = await http.post(CHAT, json=asking())
    assert (response.status_code, response.json()["error"]["code"]) == (413, "request_too_large")
    assert fits.status_code == 200


async def test_refusals_are_counted_by_code_and_carry_the_callers_id(tokenizer: ChainTokenizer) -> None:
    service = service_over(play(tokenizer, KEPT), tokenizer)
    async with client(build_app(service, Access(keys=KEYS))) as http:
        response = await http.post(CHAT, json=asking(), headers={"x-request-id": "mine-1"})
    assert response.headers["x-request-id"] == "mine-1"
    counted = service.metrics.registry.get_sample_value("tear_rejected_total", {"code": "invalid_api_key"})
    assert counted == 1


async def test_a_browser_may_call_only_from_the_origins_said(tokenizer: ChainTokenizer) -> None:
    asked = {"origin": "https://page.example", "access-control-request-method": "POST"}
    for origins, allowed in (((), False), (("https://page.example",), True), (("https://other.example",), False)):
        async with client(app_over(tokenizer, play(tokenizer, KEPT), cors_origins=origins, keys=KEYS)) as http:
            response = await http.options(CHAT, headers=asked)
        assert ("access-control-allow-origin" in response.headers) == allowed


async def test_without_keys_anybody_may_ask(tokenizer: ChainTokenizer) -> None:
    async with client(app_over(tokenizer, play(tokenizer, KEPT))) as http:
        response = await http.post(CHAT, json=asking(), headers=bearing("anything"))
    assert (response.status_code, response.json()["model"]) == (200, MODEL)
