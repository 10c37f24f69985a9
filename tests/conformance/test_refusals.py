"""What cannot be served is refused before anything is generated, in OpenAI's shape, naming the field."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from conformance.recorded import Target
from conformance.refusals import GOOD, NAMED, PATHS, UNREADABLE, Refusal, wrong_fields

ENDPOINT = pytest.mark.parametrize("endpoint", PATHS)
JSON = {"content-type": "application/json"}
LONGEST = 2000
"""Characters of a message; a fault of a megabyte is not told in full."""


def check(reply: httpx.Response, *, status: int = 400, param: str | None, code: str = "invalid_request") -> None:
    """Status, headers and body of a refusal."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-should-retry"] == "false"
    error: dict[str, Any] = reply.json()["error"]
    assert reply.json().keys() == {"error"}
    assert error.keys() == {"message", "type", "param", "code"}
    assert (error["param"], error["code"], error["type"]) == (param, code, "invalid_request_error")
    assert 0 < len(error["message"]) <= LONGEST
    for inner in ("Traceback", "pydantic", "function-after", "_whole", "list[", "\n"):
        assert inner not in error["message"]


def post(http: httpx.Client, refusal: Refusal) -> httpx.Response:
    return http.post(PATHS[refusal.endpoint], content=refusal.body, headers=JSON)


@pytest.mark.parametrize("refusal", NAMED, ids=lambda refusal: refusal.name)
def test_a_fault_is_refused_by_its_place(http: httpx.Client, refusal: Refusal) -> None:
    reply = post(http, refusal)
    check(reply, status=refusal.status, param=refusal.param, code=refusal.code)
    named = refusal.param.split(".")[-1] if refusal.code == "invalid_request" else "The model"
    assert named in reply.json()["error"]["message"]


@pytest.mark.parametrize("refusal", list(wrong_fields()), ids=lambda refusal: refusal.name)
def test_a_wrong_value_is_refused_by_its_field(http: httpx.Client, refusal: Refusal) -> None:
    reply = post(http, refusal)
    param = str(reply.json()["error"]["param"])
    assert param == refusal.param or param.startswith((f"{refusal.param}[", f"{refusal.param}.")), param
    check(reply, param=param)
    assert refusal.param in reply.json()["error"]["message"]


@ENDPOINT
@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_body_that_cannot_be_read_is_refused_as_a_whole(http: httpx.Client, endpoint: str, kind: str) -> None:
    content, content_type = UNREADABLE[kind]
    headers = {"content-type": content_type} if content_type else {}
    reply = http.post(PATHS[endpoint], content=content, headers=headers)
    check(reply, param="body")
    assert "JSON" in reply.json()["error"]["message"]


@ENDPOINT
def test_a_body_without_its_one_needed_field_is_refused(http: httpx.Client, endpoint: str) -> None:
    [needed] = GOOD[endpoint]
    reply = http.post(PATHS[endpoint], json={})
    check(reply, param=needed)
    assert f"{needed} is missing" in reply.json()["error"]["message"]


def test_several_faults_are_told_together(http: httpx.Client) -> None:
    reply = http.post(PATHS["chat"], json={**GOOD["chat"], "temperature": 9, "n": 0})
    check(reply, param="temperature")
    assert "n:" in reply.json()["error"]["message"]


@ENDPOINT
def test_a_huge_body_is_refused_unread(http: httpx.Client, endpoint: str) -> None:
    reply = http.post(PATHS[endpoint], content=b'{"messages": "' + b"a" * (8 << 20) + b'"}', headers=JSON)
    check(reply, status=413, param=None, code="request_too_large")


def test_a_huge_body_without_a_length_is_refused_too(http: httpx.Client) -> None:
    parts = (b"a" * (1 << 20) for _ in range(16))
    reply = http.post(PATHS["chat"], content=parts, headers=JSON)
    check(reply, status=413, param=None, code="request_too_large")


@pytest.mark.parametrize("endpoint", ["chat", "responses", "reflections"])
def test_a_stream_that_cannot_begin_is_refused_like_a_whole_reply(http: httpx.Client, endpoint: str) -> None:
    reply = http.post(PATHS[endpoint], json={**GOOD[endpoint], "stream": True, "temperature": 9})
    check(reply, param="temperature")


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/messages",
        "/v2/chat/completions",
        "/v1/chat",
        "/%00",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_not_found(http: httpx.Client, path: str, method: str) -> None:
    reply = http.request(method, path, json={} if method == "POST" else None)
    check(reply, status=404, param=None, code="not_found")
    assert f"{method} {path}" in reply.json()["error"]["message"]


@ENDPOINT
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_another_method_is_not_allowed(http: httpx.Client, endpoint: str, method: str) -> None:
    reply = http.request(method, PATHS[endpoint])
    check(reply, status=405, param=None, code="method_not_allowed")
    assert reply.headers["allow"] == "POST"
    assert method in reply.json()["error"]["message"]


def test_an_unknown_model_is_not_found_by_name(http: httpx.Client) -> None:
    reply = http.get("/v1/models/gpt-5")
    check(reply, status=404, param="model", code="model_not_found")


def test_the_direct_model_witnesses_nothing(http: httpx.Client, target: Target) -> None:
    check(http.post(PATHS["witness"], json={**GOOD["witness"], "model": target.direct}), param="model")


@pytest.mark.parametrize("draft", ["", " \n"], ids=["empty", "blank"])
def test_a_draft_without_a_word_is_refused(http: httpx.Client, draft: str) -> None:
    reply = http.post(PATHS["chat"], json={**GOOD["chat"], "reflection": {"draft": draft}})
    assert reply.status_code == 400
    assert reply.json()["error"]["param"].endswith("draft")


@ENDPOINT
def test_the_request_id_comes_back_on_a_refusal(http: httpx.Client, endpoint: str) -> None:
    reply = http.post(PATHS[endpoint], json={}, headers={"x-request-id": "mine-1"})
    assert reply.headers["x-request-id"] == "mine-1"


def test_the_server_answers_after_all_that(http: httpx.Client, target: Target) -> None:
    assert http.get("/ready").status_code == 200
    reply = http.post(PATHS["chat"], json={"model": target.direct, **GOOD["chat"], "max_tokens": 2})
    assert reply.status_code == 200
