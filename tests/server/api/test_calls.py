from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from scripted import ScriptedEngine
from stories import ADAPTER, MODEL, REVISED, asking, play, service_over
from written import Written, written

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Stage
from tear_server.api.app import Access, build_app
from tear_server.api.description import OPERATIONS
from tear_server.journal.address import read_address
from tear_server.journal.entry import Entry
from tear_server.journal.journal import Journal
from tear_server.journal.store import Store, open_store
from tear_server.keys import Key, make_key
from tear_server.service import Service

CHAT = "/v1/chat/completions"
WITNESS = "/v1/witness"
ALICE, ALICES = make_key()
KEYS = {"alice": Key(sha256=ALICES, admin=True)}
MARK = "Quokka-the-neighbour"
"""What a person wrote; it may be in no line."""
STORY = {
    stage: tuple(part if part.startswith("<") else f"{part} {MARK}" for part in parts)
    for stage, parts in REVISED.items()
}
EVERYTHING = [
    ("GET", "/"),
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/version"),
    ("GET", "/metrics"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"),
    ("GET", "/v1/models"),
    ("GET", f"/v1/models/{MODEL}"),
    ("GET", "/v1/models/none"),
    ("GET", "/v1/reflections/none"),
    ("POST", "/v1/reflections/none/outcome"),
    ("GET", "/v1/nothing"),
    ("PUT", CHAT),
    ("OPTIONS", CHAT),
    ("POST", CHAT),
    ("POST", "/v1/responses"),
    ("POST", "/v1/reflections"),
    ("POST", WITNESS),
]
BODIES: Mapping[str, dict[str, Any]] = {
    CHAT: asking(MARK),
    "/v1/responses": {"input": MARK, "instructions": MARK, "metadata": {"about": MARK}},
    "/v1/reflections": asking(MARK, draft=MARK),
    WITNESS: {"items": [asking(MARK, answer=MARK)]},
}


@pytest.fixture
def log() -> Iterator[Written]:
    with written() as log:
        yield log


@pytest.fixture
def engine(tokenizer: ChainTokenizer) -> ScriptedEngine:
    return play(tokenizer, STORY)


@pytest.fixture
async def service(tokenizer: ChainTokenizer, engine: ScriptedEngine, tmp_path: Path) -> AsyncIterator[Service]:
    async with open_store(read_address(f"sqlite:///{tmp_path}/journal.db"), create=True) as store:
        bare = service_over(engine, tokenizer)
        yield replace(bare, journal=Journal(store, bare.metrics))


def client(service: Service, **access: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(build_app(service, Access(**access)), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://tear")


# Request ids


@pytest.mark.parametrize(("method", "path"), EVERYTHING)
@pytest.mark.parametrize("keys", [None, KEYS], ids=["open", "keys"])
async def test_every_reply_has_an_id_the_clients_own_if_it_gave_one(
    service: Service, method: str, path: str, keys: Mapping[str, Key] | None
) -> None:
    async with client(service, keys=keys) as http:
        made = [(await http.request(method, path)).headers["x-request-id"] for _ in range(2)]
        given = await http.request(method, path, headers={"x-request-id": "mine-1"})
    assert re.fullmatch("[0-9a-f]{32}", made[0])
    assert made[0] != made[1]
    assert given.headers.get_list("x-request-id") == ["mine-1"]


@pytest.mark.parametrize(
    "given",
    ["", "two words", "x" * 129, "é".encode(), b"a\tb", "tab\u007f"],
    ids=["empty", "words", "long", "not-ascii", "tab", "delete"],
)
async def test_an_id_that_is_not_one_short_word_is_replaced(service: Service, given: str | bytes) -> None:
    async with client(service) as http:
        reply = await http.post(CHAT, json=asking(), headers={"x-request-id": given})  # type: ignore[dict-item]
    made = reply.headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert reply.json()["id"] == f"chatcmpl-{made}"


async def test_an_id_as_long_as_may_be_is_kept(service: Service) -> None:
    async with client(service) as http:
        reply = await http.get("/version", headers={"x-request-id": "~" * 128})
    assert reply.headers["x-request-id"] == "~" * 128


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("path", "prefix"), [(CHAT, "chatcmpl-"), ("/v1/responses", "resp_")])
async def test_a_replys_own_id_is_made_of_the_requests(service: Service, path: str, prefix: str, stream: bool) -> None:
    async with client(service) as http:
        reply = await http.post(path, json={**BODIES[path], "stream": stream})
    assert f'"id":"{prefix}{reply.headers["x-request-id"]}"' in reply.text


async def test_a_witness_reply_has_the_clients_id_or_one_of_its_kind(service: Service) -> None:
    async with client(service) as http:
        given = await http.post(WITNESS, json=BODIES[WITNESS], headers={"x-request-id": "mine-1"})
        made = await http.post(WITNESS, json=BODIES[WITNESS])
    assert (given.json()["id"], made.json()["id"]) == ("mine-1", f"witness-{made.headers['x-request-id']}")


# Log lines


async def test_a_request_has_one_line_that_says_how_it_went(service: Service, log: Written) -> None:
    headers = {"authorization": f"Bearer {ALICE}", "x-request-id": "mine-1"}
    async with client(service, keys=KEYS) as http:
        reply = (await http.post(CHAT, json=asking(), headers=headers)).json()
    [line] = log.requests()
    assert 0 <= line.pop("seconds") < 60
    del line["time"]
    assert line == {
        "level": "info",
        "logger": "tear.request",
        "message": f"POST {CHAT} 200",
        "method": "POST",
        "path": CHAT,
        "status": 200,
        "key": "alice",
        "model": MODEL,
        "reflections": 1,
        "outcome": "revised",
        "prompt_tokens": reply["usage"]["prompt_tokens"],
        "completion_tokens": reply["usage"]["completion_tokens"],
        "request_id": "mine-1",
    }


async def test_a_reflection_has_one_line_with_its_requests_id(service: Service, log: Written) -> None:
    async with client(service) as http:
        reply = await http.post("/v1/reflections", json=asking(), headers={"x-request-id": "mine-1"})
    [line] = log.lines("tear.reflection")
    assert (line["reflection"], line["model"], line["outcome"]) == (reply.json()["id"], MODEL, "revised")
    assert line["request_id"] == "mine-1"


@pytest.mark.parametrize(
    ("path", "body", "reflections"),
    [(CHAT, asking(n=3), 3), (WITNESS, {"items": [asking(answer=a) for a in ("No.", "Yes, and more.")]}, 2)],
    ids=["answers", "items"],
)
async def test_tokens_are_those_of_the_usage(
    service: Service, log: Written, path: str, body: dict[str, Any], reflections: int
) -> None:
    async with client(service) as http:
        usage = (await http.post(path, json=body)).json()["usage"]
    [line] = log.requests()
    assert line["reflections"] == reflections
    assert (line["prompt_tokens"], line["completion_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])


async def test_a_refusal_says_its_code_and_nothing_of_its_path(service: Service, log: Written) -> None:
    async with client(service, keys=KEYS) as http:
        await http.get(f"/v1/models/{MARK}")
        await http.get(f"/v1/models/{MARK}", headers={"authorization": f"Bearer {ALICE}"})
        await http.get(f"/{MARK}?{MARK}")
    told = [(line["path"], line["status"], line["code"]) for line in log.requests()]
    assert told == [
        ("/v1/models/{name}", 401, "invalid_api_key"),
        ("/v1/models/{name}", 404, "model_not_found"),
        ("(no such path)", 404, "not_found"),
    ]


async def test_probes_are_told_at_debug_unless_they_fail(
    service: Service, engine: ScriptedEngine, log: Written
) -> None:
    async with client(service) as http:
        await http.get("/health")
        engine.dead = True
        await http.get("/health")
    assert [(line["status"], line["level"]) for line in log.requests()] == [(200, "debug"), (503, "warning")]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_failure_is_told_with_what_was_generated_until_then(
    service: Service, engine: ScriptedEngine, log: Written, stream: bool
) -> None:
    engine.fail_in = Stage.WITNESS
    async with client(service) as http:
        await http.post(CHAT, json=asking(stream=stream))
    [request], [reflection] = log.requests(), log.lines("tear.reflection")
    assert (request["status"], request["outcome"], request["code"]) == (
        200 if stream else 500,
        "failed",
        "engine_error",
    )
    assert (reflection["level"], reflection["code"]) == ("warning", "engine_error")
    assert request["completion_tokens"] == len(engine.scripts[Stage.DRAFT])


async def test_a_surprise_is_logged_with_its_requests_id(service: Service, log: Written) -> None:
    app = build_app(service)

    @app.get("/surprise")
    async def surprise() -> None:
        raise ZeroDivisionError(MARK)

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://tear") as http:
        with suppress(ZeroDivisionError):
            await http.get("/surprise", headers={"x-request-id": "mine-1"})
        # As uvicorn does, in the same task.
        logging.getLogger("uvicorn.error").error("Exception in ASGI application", exc_info=ZeroDivisionError(MARK))
    [request], [traceback] = log.requests(), log.lines("uvicorn.error")
    assert (request["status"], request["code"], request["level"]) == (500, "internal_error", "warning")
    assert traceback["request_id"] == "mine-1"
    assert MARK not in log.text


# What people write


@pytest.mark.parametrize("stage", [None, *Stage], ids=str)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_nothing_that_people_or_models_write_is_logged(
    service: Service, engine: ScriptedEngine, log: Written, stream: bool, stage: Stage | None
) -> None:
    engine.fail_in = stage
    async with client(service, keys=KEYS, cors_origins=("*",)) as http:
        http.headers["authorization"] = f"Bearer {ALICE}"
        for path, body in BODIES.items():
            streamed = {} if path == WITNESS else {"stream": stream}
            await http.post(path, json={**body, **streamed}, headers={"x-session-id": f"of {MARK}"})
            for wrong in (body | {"model": MARK}, body | {MARK: MARK}, [MARK], {"messages": MARK, "items": MARK}):
                await http.post(path, json=wrong)
            await http.post(path, content=MARK)
            await http.post(path, json=body, headers={"authorization": f"Bearer {MARK}", "x-request-id": f"a {MARK}"})
        kept = await http.post("/v1/reflections", json=asking(MARK))
        for place in (kept.json().get("id", "none"), MARK):
            await http.post(f"/v1/reflections/{place}/outcome", json={"text": MARK, "weight": 1})
            await http.post(f"/v1/reflections/{place}/outcome", json={"text": MARK, MARK: 1})
            await http.get(f"/v1/reflections/{place}?{MARK}={MARK}")
        for method, path in (("GET", ""), ("POST", ""), ("POST", f"/{MARK}/rollback"), ("DELETE", f"/{MARK}")):
            await http.request(method, f"/v1/adapters{path}", json={"path": MARK})
        await http.get("/v1/models")
        await http.request(MARK, f"/{MARK}")
        for path in ("/health", "/ready", "/version", "/metrics", "/docs", "/openapi.json", f"/v1/models/{MARK}"):
            await http.get(path)
    assert {f"{line['method']} {line['path']}" for line in log.requests()} >= set(OPERATIONS)
    assert {line["request_id"] for line in log.requests()}.isdisjoint({None, ""})
    assert MARK not in log.text


async def test_a_journal_that_fails_says_nothing_of_what_it_was_to_keep(service: Service, log: Written) -> None:
    class Broken(Store):
        def __init__(self) -> None:
            pass

        async def write(self, entry: Entry) -> None:
            raise LookupError(entry.draft)

    broken = replace(service, journal=Journal(Broken(), service.metrics))
    async with client(broken) as http:
        reply = await http.post(CHAT, json=asking(MARK), headers={"x-request-id": "mine-1"})
    assert reply.json()["system_fingerprint"] == ADAPTER
    [line] = log.lines("tear.journal")
    assert (line["request_id"], "LookupError" in line["traceback"]) == ("mine-1", True)
    assert MARK not in log.text
