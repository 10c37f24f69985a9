from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from folders import MUTE, House, build_house, write_adapter
from stories import KEPT, MODEL, asking, get, play, post, service_over, sse_data, until

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Stage
from tear_server.api.app import Access, build_app
from tear_server.keys import Key, make_key

ADMIN, ADMINS = make_key()
ALICE, ALICES = make_key()
KEYS = {"alice": Key(sha256=ALICES), "ops": Key(sha256=ADMINS, admin=True)}
ROUTES = [
    ("GET", "/v1/adapters"),
    ("POST", "/v1/adapters"),
    ("POST", f"/v1/adapters/{MODEL}/rollback"),
    ("DELETE", "/v1/adapters/small"),
]


@pytest.fixture
def house(tokenizer: ChainTokenizer, tmp_path: Path) -> House:
    return build_house(tokenizer, tmp_path)


async def send(house: House, method: str, path: str, body: object = None, **options: Any) -> httpx.Response:
    app = build_app(house.service, Access(keys=options.pop("keys", None)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tear") as client:
        return await client.request(method, path, json=body, **options)


async def test_an_adapter_is_loaded_listed_rolled_back_and_unloaded(house: House) -> None:
    first, second = house.name("first"), house.name("second")
    loaded = await send(house, "POST", "/v1/adapters", {"path": "second"})
    assert (loaded.status_code, loaded.json()) == (
        200,
        {"object": "model.adapter", "model": MODEL, "adapter": second, "before": first},
    )
    listed = (await send(house, "GET", "/v1/adapters")).json()
    assert [(each["id"], each["models"], each["before_in"], each["in_flight"]) for each in listed["data"]] == [
        (first, [], [MODEL], 0),
        (second, [MODEL], [], 0),
    ]
    assert (listed["data"][0]["rank"], listed["data"][0]["metrics"]) == (8, {"accuracy": 0.75, "cas": 0.25})
    rolled_back = await send(house, "POST", f"/v1/adapters/{MODEL}/rollback")
    assert (rolled_back.json()["adapter"], rolled_back.json()["before"]) == (first, second)
    deleted = await send(house, "DELETE", f"/v1/adapters/{second}")
    assert deleted.json() == {"id": second, "object": "adapter", "deleted": True}
    assert [each["id"] for each in (await send(house, "GET", "/v1/adapters")).json()["data"]] == [first]


async def test_a_new_model_is_listed_answers_with_its_twin_and_goes(house: House) -> None:
    await send(house, "POST", "/v1/adapters", {"path": "second", "model": "org/small"})
    models = (await get(house.service, "/v1/models")).json()["data"]
    assert {each["id"]: each["adapter"] for each in models} == {
        MODEL: house.name("first"),
        f"{MODEL}-direct": house.name("first"),
        "org/small": house.name("second"),
        "org/small-direct": house.name("second"),
    }
    for model in ("org/small", "org/small-direct"):
        reply = (await post(house.service, "/v1/chat/completions", asking(model=model))).json()
        assert (reply["model"], reply["system_fingerprint"]) == (model, house.name("second"))
        assert reply["choices"][0]["message"]["reflection"]["adapter"] == house.name("second")
    deleted = await send(house, "DELETE", "/v1/adapters/org/small")
    assert deleted.json() == {"id": "org/small", "object": "model", "deleted": True}
    gone = await post(house.service, "/v1/chat/completions", asking(model="org/small"))
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "model_not_found")


async def test_every_endpoint_says_the_version_that_was_used(house: House) -> None:
    for path in ("second", "first"):
        await send(house, "POST", "/v1/adapters", {"path": path})
        name, service = house.name(path), house.service
        item = asking() | {"answer": "Slow hands."}
        assert (await post(service, "/v1/witness", {"items": [item]})).json()["adapter"] == name
        assert (await post(service, "/v1/reflections", asking())).json()["adapter"] == name
        response = (await post(service, "/v1/responses", {"input": "Am I any good?"})).json()
        assert response["reflection"]["adapter"] == name
        assert (await get(service, "/version")).json()["adapter"]["name"] == name


async def test_a_stream_ends_with_the_version_it_began_with(house: House) -> None:
    house.engine.hang_in = Stage.WITNESS
    streaming = asyncio.create_task(post(house.service, "/v1/chat/completions", asking(stream=True, n=2)))
    await until(lambda: house.engine.reached.count(Stage.WITNESS) == 2)
    await send(house, "POST", "/v1/adapters", {"path": "second"})
    assert house.service.registry.in_flight(house.name("first")) == 2
    busy = await send(house, "DELETE", f"/v1/adapters/{house.name('first')}")
    assert (busy.status_code, busy.json()["error"]["code"], busy.headers["x-should-retry"]) == (
        409,
        "adapter_busy",
        "true",
    )
    streaming.cancel()
    await asyncio.gather(streaming, return_exceptions=True)
    await until(lambda: house.service.registry.in_flight(house.name("first")) == 0)


async def test_all_answers_of_a_request_are_of_one_version(house: House) -> None:
    async def flip() -> None:
        for _ in range(8):
            for path in ("second", "first"):
                await house.load(path)

    async def ask() -> httpx.Response:
        return await post(house.service, "/v1/chat/completions", asking(stream=True, n=4, presence_penalty=0.1))

    *replies, _ = await asyncio.gather(*(ask() for _ in range(8)), flip())
    for reply in replies:
        chunks = [chunk for chunk in sse_data(reply) if chunk != "[DONE]"]
        deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
        shown = {delta["reflection"]["adapter"] for delta in deltas if "reflection" in delta}
        assert shown == {chunk["system_fingerprint"] for chunk in chunks}
        assert len(shown) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "", {}, 400, "invalid_request"),
        ("POST", "", {"path": "second", "alias": "x"}, 400, "invalid_request"),
        ("POST", "", {"path": "../outside"}, 400, "invalid_request"),
        ("POST", "", {"path": "second", "model": "x-direct"}, 400, "invalid_request"),
        ("POST", "", {"path": "fourth"}, 400, "adapter_error"),
        ("POST", "", {"path": "mute"}, 400, "adapter_error"),
        ("POST", "", {"path": "foreign"}, 400, "adapter_mismatch"),
        ("POST", f"/{MODEL}/rollback", None, 409, "adapter_conflict"),
        ("POST", "/gpt/rollback", None, 404, "model_not_found"),
        ("DELETE", f"/{MODEL}", None, 409, "adapter_conflict"),
        ("DELETE", "/gpt", None, 404, "model_not_found"),
    ],
)
async def test_what_cannot_be_done_is_refused_and_counted(
    house: House, method: str, path: str, body: object, status: int, code: str
) -> None:
    write_adapter(house.folder / "mute", MUTE)
    write_adapter(house.folder / "foreign", base_fingerprint="ffff")
    reply = await send(house, method, f"/v1/adapters{path}", body, headers={"x-request-id": "mine-1"})
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["type"]) == (status, code, "invalid_request_error")
    assert (reply.headers["x-should-retry"], reply.headers["x-request-id"]) == ("false", "mine-1")
    assert house.service.metrics.registry.get_sample_value("tear_rejected_total", {"code": code}) == 1
    assert house.service.models == (MODEL, f"{MODEL}-direct")


async def test_the_version_that_is_served_is_not_unloaded(house: House) -> None:
    reply = await send(house, "DELETE", f"/v1/adapters/{house.name('first')}")
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "adapter_conflict")
    assert MODEL in reply.json()["error"]["message"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_server_without_a_folder_of_adapters_refuses_saying_what_to_set(
    tokenizer: ChainTokenizer, method: str, path: str
) -> None:
    app = build_app(service_over(play(tokenizer, KEPT), tokenizer))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tear") as client:
        body = {"path": "second"} if path == "/v1/adapters" and method == "POST" else None
        reply = await client.request(method, path, json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "adapters_off")
    assert "--adapters-dir" in reply.json()["error"]["message"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(("key", "status"), [(None, 401), (ALICE, 401), (ADMIN, 0)], ids=["none", "plain", "admin"])
async def test_where_there_are_keys_only_an_admins_will_do(
    house: House, method: str, path: str, key: str | None, status: int
) -> None:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    reply = await send(house, method, path, {"path": "second"}, keys=KEYS, headers=headers)
    assert (reply.status_code == 401) == (status == 401)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_without_keys_another_sites_page_changes_nothing(house: House, site: str) -> None:
    await house.load("second")
    reply = await send(house, "POST", f"/v1/adapters/{MODEL}/rollback", headers={"sec-fetch-site": site})
    assert reply.status_code == 400
    assert house.service.look(None).adapter == house.name("second")


async def test_the_log_says_whose_key_it_was(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "tear.adapters")
    headers = {"authorization": f"Bearer {ADMIN}"}
    await send(house, "POST", "/v1/adapters", {"path": "second"}, keys=KEYS, headers=headers)
    assert [record.fields["by"] for record in caplog.records if record.name == "tear.adapters"] == ["ops"]  # type: ignore[attr-defined]


async def test_answers_are_given_while_an_adapter_is_loaded(house: House) -> None:
    loading = asyncio.create_task(send(house, "POST", "/v1/adapters", {"path": "second"}))
    reply = await post(house.service, "/v1/chat/completions", asking())
    assert (reply.status_code, (await loading).status_code) == (200, 200)
