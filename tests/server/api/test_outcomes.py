from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Message
from stories import ADAPTER, ANSWER, DRAFT, KEPT, MODEL, REVISED, STORIES, asking, get, play, post, service_over

from tear_chain.tokenizer import ChainTokenizer
from tear_server.api.app import build_app
from tear_server.journal.address import read_address
from tear_server.journal.journal import Journal
from tear_server.journal.store import open_store
from tear_server.service import Service

REFLECTIONS = "/v1/reflections"
END = {
    "/v1/chat/completions": b'"finish_reason":"stop"',
    REFLECTIONS: b"event: reflection.completed",
    "/v1/responses": b"event: response.completed",
}
"""What only the end of a stream has in it, by path."""
HAPPENED = {"text": "She plays every day now.", "weight": 3}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
async def service(tokenizer: ChainTokenizer, file: Path) -> AsyncIterator[Service]:
    async with open_store(read_address(f"sqlite:///{file}"), create=True) as store:
        bare = service_over(play(tokenizer, REVISED), tokenizer)
        yield replace(bare, journal=Journal(store, bare.metrics))


async def reflected(service: Service, **fields: Any) -> str:
    """The id of a reflection that was just answered."""
    known: str = (await post(service, REFLECTIONS, asking(**fields))).json()["id"]
    return known


def is_moment(text: str) -> bool:
    return text.endswith("Z") and abs((datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds()) < 60


async def test_a_stored_reflection_is_told_whole(service: Service) -> None:
    known = await reflected(service)
    response = await get(service, f"{REFLECTIONS}/{known}")
    stored = response.json()
    assert response.status_code == 200
    assert is_moment(stored.pop("created"))
    assert stored == {
        "id": known,
        "object": "reflection",
        "model": MODEL,
        "adapter": ADAPTER,
        "messages": [{"role": "user", "content": "Am I any good?"}],
        "draft": DRAFT,
        "witness": {"who": " a beginner", "impact": " She closes the lid.", "ripples": " Silence.", "weight": -2},
        "expected_weight": pytest.approx(0, abs=3),
        "decision": "revise",
        "revise_probability": pytest.approx(0.5, abs=0.5),
        "answer": ANSWER,
        "status": "complete",
        "outcome": None,
    }


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
async def test_whoever_answers_the_id_of_the_reply_is_the_journals(service: Service, path: str) -> None:
    body = {"input": "Am I any good?"} if path.endswith("responses") else asking()
    reply = (await post(service, path, body)).json()
    reflection = reply["reflection"] if "reflection" in reply else reply["choices"][0]["message"]["reflection"]
    assert (await get(service, f"{REFLECTIONS}/{reflection['id']}")).json()["answer"] == ANSWER


@pytest.mark.parametrize("body", [HAPPENED, {"text": "x"}, {"text": "漢" * 4000, "weight": None}])
async def test_an_outcome_is_stored_and_told(service: Service, body: dict[str, Any]) -> None:
    known = await reflected(service)
    response = await post(service, f"{REFLECTIONS}/{known}/outcome", body)
    told = response.json()
    assert (response.status_code, is_moment(told["reported"])) == (201, True)
    facts = {"reported": told["reported"], "text": body["text"], "weight": body.get("weight")}
    assert told == {"id": known, "object": "outcome", **facts}
    assert (await get(service, f"{REFLECTIONS}/{known}")).json()["outcome"] == facts


async def test_a_second_outcome_replaces_the_first(service: Service) -> None:
    known = await reflected(service)
    first = await post(service, f"{REFLECTIONS}/{known}/outcome", HAPPENED)
    second = await post(service, f"{REFLECTIONS}/{known}/outcome", {"text": "She stopped."})
    assert (first.status_code, second.status_code) == (201, 200)
    outcome = (await get(service, f"{REFLECTIONS}/{known}")).json()["outcome"]
    assert (outcome["text"], outcome["weight"]) == ("She stopped.", None)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": " \n"}, "text"),
        ({"text": "x" * 4001}, "text"),
        ({"text": 3}, "text"),
        ({"text": "x", "weight": 4}, "weight"),
        ({"text": "x", "weight": -4}, "weight"),
        ({"text": "x", "weight": 0.5}, "weight"),
        ({"text": "x", "weight": True}, "weight"),
        ({"text": "x", "weight": "1"}, "weight"),
        ({"text": "x", "mood": "sad"}, "mood"),
        ([], "body"),
    ],
    ids=[
        *("no text", "empty", "blank", "too long", "a number", "too heavy", "too light", "half", "true", "in quotes"),
        *("unknown field", "a list"),
    ],
)
async def test_a_bad_outcome_is_refused_naming_the_field(service: Service, body: object, param: str) -> None:
    known = await reflected(service)
    response = await post(service, f"{REFLECTIONS}/{known}/outcome", body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
    assert (await get(service, f"{REFLECTIONS}/{known}")).json()["outcome"] is None


async def test_half_a_surrogate_pair_is_no_text(service: Service) -> None:
    known, headers = await reflected(service), {"content-type": "application/json"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build_app(service)), base_url="http://tear") as client:
        response = await client.post(f"{REFLECTIONS}/{known}/outcome", content=rb'{"text": "\ud800"}', headers=headers)
    assert (response.status_code, response.json()["error"]["param"]) == (400, "text")


async def both(service: Service, known: str) -> list[httpx.Response]:
    """Asked for the reflection, and told of its outcome."""
    headers = {"x-request-id": "mine-1"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(build_app(service)), base_url="http://tear", headers=headers
    ) as client:
        got = await client.get(f"{REFLECTIONS}/{known}")
        return [got, await client.post(f"{REFLECTIONS}/{known}/outcome", json=HAPPENED)]


@pytest.mark.parametrize("known", ["refl-0", "%00", "%27%20OR%201=1", "x" * 5000], ids=["other", "nul", "sql", "long"])
async def test_an_unknown_reflection_is_not_found(service: Service, known: str) -> None:
    await reflected(service)
    for response in await both(service, known):
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["param"]) == (404, "reflection_not_found", "reflection_id")
    assert service.metrics.registry.get_sample_value("tear_rejected_total", {"code": "reflection_not_found"}) == 2


async def test_without_a_journal_both_say_that_it_is_off(tokenizer: ChainTokenizer) -> None:
    for response in await both(service_over(play(tokenizer, KEPT), tokenizer), "refl-1"):
        assert (response.status_code, response.json()["error"]["code"]) == (404, "journal_off")


async def test_a_journal_that_fails_acknowledges_nothing(service: Service, file: Path) -> None:
    known = await reflected(service)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP TABLE reflections")
    for response in await both(service, known):
        assert (response.status_code, response.json()["error"]["code"]) == (503, "journal_failed")
        assert response.headers["x-should-retry"] == "true"


async def test_the_callers_request_id_comes_back(service: Service) -> None:
    for known in (await reflected(service), "refl-0"):
        assert [each.headers["x-request-id"] for each in await both(service, known)] == ["mine-1"] * 2


@pytest.mark.parametrize("fields", [{"model": f"{MODEL}-direct"}, {"reflection": {"mode": "off"}}])
async def test_a_direct_answer_cannot_be_reported_on(service: Service, fields: dict[str, Any]) -> None:
    reply = (await post(service, "/v1/chat/completions", asking(**fields))).json()
    known = reply["choices"][0]["message"]["reflection"]["id"]
    assert [each.status_code for each in await both(service, known)] == [404, 404]


async def test_what_was_only_witnessed_is_not_kept(service: Service, file: Path) -> None:
    body = {"items": [{**asking(), "answer": "Nice work."}]}
    assert (await post(service, "/v1/witness", body)).status_code == 200
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT * FROM reflections").fetchall() == []


@pytest.mark.parametrize("path", END)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("story", ["kept", "revised"])
async def test_no_reply_ends_before_its_reflection_is_committed(
    service: Service, tokenizer: ChainTokenizer, file: Path, path: str, streamed: bool, story: str
) -> None:
    told = replace(service_over(play(tokenizer, STORIES[story]), tokenizer), journal=service.journal)
    end = END[path] if streamed else b"{"
    seen: list[tuple[bool, int]] = []

    class Watched(httpx.ASGITransport):
        """Looks into the file whenever a piece of the reply goes out."""

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            inner = self.app

            async def watching(scope: Any, receive: Any, send: Any) -> None:
                async def look(message: Message) -> None:
                    body = message.get("body", b"")
                    with closing(sqlite3.connect(file)) as connection:
                        (count,) = connection.execute("SELECT count(*) FROM reflections").fetchone()
                    if body:
                        seen.append((end in body, count))
                    await send(message)

                await inner(scope, receive, look)

            self.app = watching
            return await super().handle_async_request(request)

    body = {"input": "Am I any good?"} if path.endswith("responses") else asking()
    async with httpx.AsyncClient(transport=Watched(build_app(told)), base_url="http://tear") as client:
        assert (await client.post(path, json=body | {"stream": streamed})).status_code == 200
    assert [count for is_end, count in seen if is_end] == [1]
    if streamed:
        assert seen[0] == (False, 0)


async def test_many_reports_at_once_are_all_kept(service: Service) -> None:
    ids = await asyncio.gather(*(reflected(service) for _ in range(16)))
    replies = await asyncio.gather(*(post(service, f"{REFLECTIONS}/{known}/outcome", {"text": known}) for known in ids))
    assert {reply.status_code for reply in replies} == {201}
    found = await asyncio.gather(*(get(service, f"{REFLECTIONS}/{known}") for known in ids))
    assert [each.json()["outcome"]["text"] for each in found] == ids
