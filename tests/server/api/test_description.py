from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from folders import build_house
from jsonschema import Draft202012Validator
from scripted import ScriptedEngine
from stories import KEPT, MODEL, REVISED, STORIES, Story, asking, play, service_over

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.wire import EVENT_NAMES
from tear_chain.words import Stage
from tear_server.api.app import Access, build_app
from tear_server.api.description import OPERATIONS
from tear_server.journal.address import read_address
from tear_server.journal.journal import Journal
from tear_server.journal.store import open_store
from tear_server.keys import Key, make_key

CHAT, OUTCOME = "/v1/chat/completions", "/v1/reflections/{reflection_id}/outcome"
ALICE, ALICES = make_key()
KEYS = {"alice": Key(sha256=ALICES, requests_per_minute=1, admin=True)}
EXAMPLES = [(name, title) for name, operation in OPERATIONS.items() for title in operation.examples]


class Described:
    """An application and what it says of itself."""

    def __init__(self, app: FastAPI, engine: ScriptedEngine) -> None:
        self.app = app
        self.engine = engine
        self.openapi: dict[str, Any] = app.openapi()
        self._components = closed(self.openapi["components"])

    def client(self) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://tear")

    def operations(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for path, methods in self.openapi["paths"].items():
            for method, told in methods.items():
                yield f"{method.upper()} {path}", told

    def told(self, name: str) -> dict[str, Any]:
        return dict(self.operations())[name]

    def check(self, name: str, reply: httpx.Response) -> None:
        """Fail unless the reply is told of: its status, its kind, and every field of its JSON."""
        media = reply.headers["content-type"].partition(";")[0]
        content = self.told(name)["responses"][str(reply.status_code)]["content"]
        assert media in content, f"{name} answers {reply.status_code} as {media}"
        if media == "text/plain":
            return
        check = Draft202012Validator({**closed(content[media]["schema"]), "components": self._components})
        for value in payloads(reply):
            faults = [error.message for error in check.iter_errors(value)]
            assert faults == [], f"{name} {reply.status_code}: {json.dumps(value)[:300]}"


def closed(schema: Any) -> Any:
    """The schema without room for what it does not name; in the described one new fields may come."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(each) for name, each in schema.items()}
    return {"additionalProperties": False, **inner} if "properties" in schema and "type" in schema else inner


def payloads(reply: httpx.Response) -> list[Any]:
    """The JSON of a reply, or of each of its events."""
    if "event-stream" not in reply.headers["content-type"]:
        return [reply.json()]
    lines = [line.removeprefix("data: ") for line in reply.text.splitlines() if line.startswith("data: ")]
    assert lines
    return [json.loads(line) for line in lines if line != "[DONE]"]


@pytest.fixture
async def journal_at(tmp_path: Path) -> AsyncIterator[Any]:
    async with open_store(read_address(f"sqlite:///{tmp_path}/journal.db"), create=True) as store:
        yield store


def described(
    tokenizer: ChainTokenizer, store: Any = None, *, place: Path | None = None, story: Story = REVISED, **access: Any
) -> Described:
    """`place` is where a service lays its adapters whose adapters can be changed."""
    if place is None:
        engine = play(tokenizer, story)
        service = service_over(engine, tokenizer)
    else:
        house = build_house(tokenizer, place, story=story)
        engine, service = house.engine, house.service
    if store is not None:
        service = replace(service, journal=Journal(store, service.metrics))
    return Described(build_app(service, Access(**access)), engine)


async def ask(about: Described, name: str, body: Any, **options: Any) -> httpx.Response:
    """A reply to `name`, of a reflection that the journal holds where it asks for one."""
    method, _, path = name.partition(" ")
    async with about.client() as http:
        if "{reflection_id}" in path:
            path = path.format(reflection_id=(await http.post("/v1/reflections", json=asking())).json().get("id"))
        return await http.request(method, path.replace("{name}", MODEL), json=body, **options)


# What is described


def test_every_operation_is_described_and_no_other(tokenizer: ChainTokenizer) -> None:
    assert {name for name, _ in described(tokenizer).operations()} == set(OPERATIONS)


@pytest.mark.parametrize("keys", [None, KEYS], ids=["open", "keys"])
def test_every_reference_leads_somewhere(tokenizer: ChainTokenizer, keys: Mapping[str, Key] | None) -> None:
    whole = described(tokenizer, keys=keys).openapi
    schemas = whole["components"]["schemas"]
    used = {ref.removeprefix("#/components/schemas/") for ref in references(whole)}
    assert used <= set(schemas)
    assert set(schemas) <= used, "nothing is described that nothing refers to"
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_the_status_that_is_never_sent_is_not_described(tokenizer: ChainTokenizer) -> None:
    assert [name for name, told in described(tokenizer).operations() if "422" in told["responses"]] == []


def test_keys_are_described_where_they_are_asked_for(tokenizer: ChainTokenizer) -> None:
    keyed, open_to_all = described(tokenizer, keys=KEYS), described(tokenizer)
    assert keyed.openapi["components"]["securitySchemes"] == {"key": {"type": "http", "scheme": "bearer"}}
    assert {name for name, told in keyed.operations() if "security" in told} == {
        name for name in OPERATIONS if "/v1/" in name
    }
    assert "securitySchemes" not in open_to_all.openapi["components"]
    for name, told in open_to_all.operations():
        assert "security" not in told, name
        assert {"401", "429"}.isdisjoint(told["responses"]), name


async def test_the_description_is_served_where_the_page_reads_it(tokenizer: ChainTokenizer) -> None:
    about = described(tokenizer)
    async with about.client() as http:
        assert (await http.get("/openapi.json")).json() == about.openapi
        assert "/openapi.json" in (await http.get("/docs")).text


# What is described is so


@pytest.mark.parametrize(("name", "title"), EXAMPLES, ids=[title for _, title in EXAMPLES])
async def test_an_example_is_answered_as_described(
    tokenizer: ChainTokenizer, journal_at: Any, tmp_path: Path, name: str, title: str
) -> None:
    about = described(tokenizer, journal_at, place=tmp_path)
    shown = about.told(name)["requestBody"]["content"]["application/json"]["examples"][title]["value"]
    reply = await ask(about, name, shown)
    assert reply.status_code == (201 if name.endswith("/outcome") else 200), reply.text
    about.check(name, reply)


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name.startswith("GET")])
async def test_what_can_be_got_is_as_described(
    tokenizer: ChainTokenizer, journal_at: Any, tmp_path: Path, name: str
) -> None:
    about = described(tokenizer, journal_at, place=tmp_path)
    reply = await ask(about, name, None)
    assert reply.status_code == 200
    about.check(name, reply)


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_every_way_a_chain_can_go_is_as_described(tokenizer: ChainTokenizer, story: str, stream: bool) -> None:
    about = described(tokenizer, story=STORIES[story])
    for name, body in (
        (f"POST {CHAT}", asking(stream=stream, max_tokens=150, stream_options={"include_usage": True})),
        ("POST /v1/responses", {"input": "Am I any good?", "stream": stream, "max_output_tokens": 150}),
        ("POST /v1/reflections", asking(stream=stream, max_completion_tokens=150)),
        ("POST /v1/witness", {"items": [asking(answer="No.")]}),
    ):
        about.check(name, await ask(about, name, body))


async def test_a_stored_outcome_is_as_described(tokenizer: ChainTokenizer, journal_at: Any) -> None:
    about = described(tokenizer, journal_at)
    async with about.client() as http:
        place = f"/v1/reflections/{(await http.post('/v1/reflections', json=asking())).json()['id']}"
        first = await http.post(f"{place}/outcome", json={"text": "She plays."})
        second = await http.post(f"{place}/outcome", json={"text": "She plays.", "weight": 3})
        stored = await http.get(place)
    assert (first.status_code, second.status_code) == (201, 200)
    for reply in (first, second):
        about.check(f"POST {OUTCOME}", reply)
    about.check("GET /v1/reflections/{reflection_id}", stored)


@pytest.mark.parametrize("served", [True, False], ids=["changed", "off"])
async def test_every_change_of_what_is_served_is_as_described(
    tokenizer: ChainTokenizer, tmp_path: Path, served: bool
) -> None:
    about = described(tokenizer, place=tmp_path if served else None)
    load, rollback, remove = "POST /v1/adapters", "POST /v1/adapters/{model}/rollback", "DELETE /v1/adapters/{name}"
    seen = []
    async with about.client() as http:
        for name, at, body in (
            (rollback, MODEL, None),
            (load, "", {"path": "second"}),
            (load, "", {"path": "second", "model": "small"}),
            (load, "", {"path": "fourth"}),
            (rollback, MODEL, None),
            (rollback, "gpt", None),
            (remove, "small", None),
            (remove, MODEL, None),
            (remove, "gpt", None),
        ):
            method, path = name.replace("{model}", at).replace("{name}", at).split(" ")
            reply = await http.request(method, path, json=body)
            about.check(name, reply)
            seen.append(reply.status_code)
    assert seen == ([409, 200, 200, 400, 200, 404, 200, 409, 404] if served else [404] * len(seen))


# Refusals


@pytest.mark.parametrize("name", [name for name, one in OPERATIONS.items() if one.examples])
async def test_every_refusal_of_a_post_is_as_described(tokenizer: ChainTokenizer, journal_at: Any, name: str) -> None:
    body = next(iter(OPERATIONS[name].examples.values()))
    bearing = {"authorization": f"Bearer {ALICE}"}
    seen = set()

    async def see(about: Described, body: Any, **options: Any) -> None:
        reply = await ask(about, name, body, **options)
        about.check(name, reply)
        seen.add(reply.status_code)

    await see(described(tokenizer, journal_at), {})
    await see(described(tokenizer, journal_at), [])
    await see(described(tokenizer, journal_at, keys=KEYS), body)
    keyed = described(tokenizer, journal_at, keys=KEYS)
    for _ in range(2):
        await see(keyed, body, headers=bearing)
    await see(described(tokenizer, journal_at, max_body_bytes=1024), {"padding": "x" * 2000})
    await see(described(tokenizer, journal_at, max_requests=0), body)
    expected = {400, 401, 413, 429, 503}
    if name.endswith("/outcome") or name == "POST /v1/adapters":
        await see(described(tokenizer), body)
        expected |= {404}
    else:
        await see(described(tokenizer), body | {"model": "gpt"})
        for dead in (False, True):
            failing = described(tokenizer)
            failing.engine.fail_in, failing.engine.dead = Stage.WITNESS, dead
            await see(failing, body)
        expected |= {404, 500}
    assert seen >= expected


async def test_a_failure_in_the_midst_of_a_stream_is_as_described(tokenizer: ChainTokenizer) -> None:
    about = described(tokenizer)
    about.engine.fail_in = Stage.WITNESS
    for name, body in (
        (f"POST {CHAT}", asking(stream=True)),
        ("POST /v1/responses", {"input": "Am I any good?", "stream": True}),
        ("POST /v1/reflections", asking(stream=True)),
    ):
        about.check(name, await ask(about, name, body))


@pytest.mark.parametrize("name", ["GET /v1/models/{name}", "GET /v1/reflections/{reflection_id}"])
async def test_what_cannot_be_found_is_as_described(tokenizer: ChainTokenizer, journal_at: Any, name: str) -> None:
    for store in (None, journal_at):
        about = described(tokenizer, store)
        async with about.client() as http:
            reply = await http.get(name.removeprefix("GET ").replace("{name}", "gpt").format(reflection_id="none"))
        assert reply.status_code == 404
        about.check(name, reply)


@pytest.mark.parametrize("name", ["GET /health", "GET /ready"])
async def test_a_dead_engine_is_as_described(tokenizer: ChainTokenizer, name: str) -> None:
    about = described(tokenizer, story=KEPT)
    about.engine.dead = True
    reply = await ask(about, name, None)
    assert reply.status_code == 503
    about.check(name, reply)


def test_every_typed_event_is_described(tokenizer: ChainTokenizer) -> None:
    schema = described(tokenizer).told("POST /v1/reflections")["responses"]["200"]["content"]["text/event-stream"]
    assert {ref.rpartition("/")[2] for ref in references(schema)} == {kind.__name__ for kind in EVENT_NAMES}


def test_an_undescribed_field_would_be_seen(tokenizer: ChainTokenizer) -> None:
    about = described(tokenizer)
    wrong = httpx.Response(200, json={"object": "list", "data": [], "more": True})
    with pytest.raises(AssertionError, match="GET /v1/models 200"):
        about.check("GET /v1/models", wrong)
