from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from stories import KEPT, asking, get, play, post, service_over

from tear_chain import errors
from tear_chain.errors import EngineError, InvalidRequest, TearError, UnknownModel
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Stage
from tear_server.api.app import build_app
from tear_server.api.problems import STATUSES, error_body
from tear_server.service import Service


@pytest.fixture
def service(tokenizer: ChainTokenizer) -> Service:
    return service_over(play(tokenizer, KEPT), tokenizer)


def rejected(service: Service) -> dict[str, float]:
    families = service.metrics.registry.collect()
    samples = [sample for family in families for sample in family.samples if sample.name == "tear_rejected_total"]
    return {sample.labels["code"]: sample.value for sample in samples if sample.value}


def family(kind: type[TearError]) -> Iterator[type[TearError]]:
    """The ground's own errors; a house may add leaves of its own."""
    if kind.__module__ == errors.__name__:
        yield kind
    for child in kind.__subclasses__():
        yield from family(child)


def test_every_error_has_a_code_of_its_own_word() -> None:
    for kind in family(TearError):
        assert kind.code.replace("_", "").isalpha(), kind
        assert kind.code.islower(), kind
        assert kind.__doc__, kind


def test_the_tree_in_the_docstring_is_the_family() -> None:
    drawn = {line.split("──")[-1].split()[0] for line in (errors.__doc__ or "").splitlines() if line and " " in line}
    assert {kind.__name__ for kind in family(TearError)} - drawn <= {"TearError"}


def test_a_more_special_error_stands_before_its_parent_in_the_table() -> None:
    kinds = [kind for kind, _ in STATUSES]
    shadowed = [b for i, a in enumerate(kinds) for b in kinds[i + 1 :] if issubclass(b, a)]
    assert shadowed == []


def test_an_error_is_told_in_openais_shape() -> None:
    assert error_body(UnknownModel("gpt")) == {
        "error": {
            "message": "The model `gpt` does not exist. GET /v1/models lists the names served here.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }
    }
    assert error_body(EngineError("It broke."))["error"]["type"] == "server_error"
    assert error_body(InvalidRequest("No.", param="n"))["error"]["param"] == "n"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/reflections", "/v1/responses", "/v1/witness"])
@pytest.mark.parametrize(
    ("content", "word"),
    [(b'{"messages": [', "JSON"), (b"", "JSON"), (b"words", "JSON"), (b"[]", "object"), (b"\xff", "JSON")],
    ids=["cut", "empty", "words", "list", "bytes"],
)
async def test_a_body_that_is_no_json_object_is_400_and_says_so(
    service: Service, path: str, content: bytes, word: str
) -> None:
    response = await post(service, path, None, content=content, headers={"content-type": "application/json"})
    error = response.json()["error"]
    assert (response.status_code, error["type"], error["code"]) == (400, "invalid_request_error", "invalid_request")
    assert error["param"] == "body"
    assert word.lower() in error["message"].lower()
    assert rejected(service) == {"invalid_request": 1}


async def test_a_body_that_does_not_say_that_it_is_json_is_told_to(service: Service) -> None:
    response = await post(service, "/v1/chat/completions", None, content=b"{}", headers={"content-type": "text/plain"})
    assert response.status_code == 400
    assert "content-type: application/json" in response.json()["error"]["message"].lower()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": ["hello"]}, "messages[0]"),
        ({"messages": [{"content": "hello"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"text": "hello"}]}]}, "messages[0].content[0].type"),
        ({"stop": 7}, "stop"),
        ({"stop": ["a", 7]}, "stop[1]"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"max_tokens": -5}, "max_tokens"),
        ({"seed": 2**64}, "seed"),
        ({"stream": "maybe"}, "stream"),
        ({"stream_options": {"include_usage": "maybe"}}, "stream_options.include_usage"),
        ({"reflection": {"mode": "on"}}, "reflection.mode"),
        ({"reflection": {"colour": 1}}, "reflection.colour"),
        ({"reflection": {"revise_threshold": 2}}, "reflection.revise_threshold"),
        ({"model": 7}, "model"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_field_of_the_wrong_kind_is_named(service: Service, fields: dict[str, object], param: str) -> None:
    response = await post(service, "/v1/chat/completions", asking() | fields)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "invalid_request")
    assert error["param"] == param
    assert param in error["message"]


async def test_a_missing_field_is_named(service: Service) -> None:
    error = (await post(service, "/v1/chat/completions", {})).json()["error"]
    assert (error["param"], error["message"]) == ("messages", "messages is missing.")


async def test_wrong_fields_are_told_together_and_not_endlessly(service: Service) -> None:
    two = (await post(service, "/v1/chat/completions", asking(temperature=3, top_p=3))).json()["error"]
    many = (await post(service, "/v1/reflections", asking() | {f"more-{n}": 1 for n in range(1000)})).json()["error"]
    assert "temperature" in two["message"]
    assert "top_p" in two["message"]
    assert len(many["message"]) < 1000


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/witness"])
async def test_of_a_long_list_the_first_fault_is_told(service: Service, path: str) -> None:
    """To collect all of them took a minute for a body of four megabytes, and nobody else was served meanwhile."""
    name = {"/v1/responses": "input"}.get(path, "messages")
    body: dict[str, object] = {name: ["x"] * 1000}
    response = await post(service, path, {"items": [{**body, "answer": "Hi."}]} if path == "/v1/witness" else body)
    assert response.json()["error"]["message"].count(";") == 0
    assert response.json()["error"]["param"].endswith(f"{name}[0]")


@pytest.mark.parametrize("fields", [{"model": "m" * 10**5}, {"messages": [{"role": "r" * 10**5, "content": "a"}]}])
async def test_a_long_fault_is_not_told_in_full(service: Service, fields: dict[str, object]) -> None:
    assert len((await post(service, "/v1/chat/completions", asking() | fields)).content) < 2000


async def test_a_long_unknown_name_is_not_told_in_full(service: Service) -> None:
    assert len((await post(service, "/v1/reflections", asking() | {"n" * 10**5: 1})).content) < 4000


async def test_a_null_character_is_refused(service: Service) -> None:
    response = await post(service, "/v1/chat/completions", asking("a\0b"))
    assert (response.status_code, response.json()["error"]["param"]) == (400, "messages[0].content")


async def test_text_that_no_tokenizer_can_cut_is_a_bad_request(service: Service) -> None:
    blanks = " " * 2_000_000 + "a"
    for fields in (asking(blanks), asking(reflection={"draft": blanks})):
        response = await post(service, "/v1/chat/completions", fields)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "fields",
    [
        '"messages": [{"role": "user", "content": "HALF"}]',
        '"messages": [{"role": "user", "content": [{"type": "text", "text": "HALF"}]}]',
        '"messages": [{"role": "HALF", "content": "hello"}]',
        '"messages": [{"role": "user", "content": "hello"}], "model": "HALF"',
        '"messages": [{"role": "user", "content": "hello"}], "stop": ["HALF"]',
        '"messages": [{"role": "user", "content": "hello"}], "reflection": {"draft": "HALF"}',
        '"messages": [{"role": "user", "content": "hello"}], "reflection": {"HALF": 1}',
    ],
    ids=["content", "part", "role", "model", "stop", "draft", "key"],
)
async def test_half_a_surrogate_pair_is_400_and_not_a_crash(service: Service, fields: str) -> None:
    body = ("{" + fields.replace("HALF", "so \\ud83d") + "}").encode()
    headers = {"content-type": "application/json"}
    response = await post(service, "/v1/chat/completions", None, content=body, headers=headers)
    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [("/v1/completions", 404, "not_found"), ("/v1/chat/completions", 405, "method_not_allowed")],
)
async def test_what_is_not_here_is_told_in_the_same_shape(service: Service, path: str, status: int, code: str) -> None:
    response = await get(service, path)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["type"]) == (status, code, "invalid_request_error")
    assert f"GET {path}" in error["message"]


@pytest.mark.parametrize(("dead", "status"), [(False, 500), (True, 503)], ids=["failing", "dead"])
async def test_an_engine_failure_is_a_server_error_worth_a_retry(
    tokenizer: ChainTokenizer, dead: bool, status: int
) -> None:
    engine = play(tokenizer, KEPT, fail_in=Stage.WITNESS)
    engine.dead = dead
    response = await post(service_over(engine, tokenizer), "/v1/chat/completions", asking())
    error = response.json()["error"]
    assert (response.status_code, error["type"], response.headers["x-should-retry"]) == (status, "server_error", "true")


async def test_a_callers_mistake_is_not_worth_a_retry_and_counted_by_code(service: Service) -> None:
    response = await post(service, "/v1/chat/completions", asking(model="gpt"))
    assert response.headers["x-should-retry"] == "false"
    assert rejected(service) == {"model_not_found": 1}


async def test_a_surprise_is_answered_in_the_same_shape_and_stays_loud(service: Service) -> None:
    app = build_app(service)

    @app.get("/surprise")
    async def surprise() -> None:
        raise ZeroDivisionError

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        reply = await client.get("/surprise", headers={"x-request-id": "mine"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "internal_error")
    assert reply.headers["x-request-id"] == "mine"
    with pytest.raises(ZeroDivisionError):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            await client.get("/surprise")


async def test_a_refusal_carries_the_request_id_back(service: Service) -> None:
    reply = await post(service, "/v1/chat/completions", {"messages": []}, headers={"x-request-id": "mine"})
    assert (reply.status_code, reply.headers["x-request-id"]) == (400, "mine")
