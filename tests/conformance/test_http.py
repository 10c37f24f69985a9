"""HTTP itself: headers, methods, connections that are kept, and many callers at once."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from conformance.recorded import CHAT, MESSAGES, Target, ask

QUICK: dict[str, Any] = {"messages": MESSAGES, "max_tokens": 2}
READ = pytest.mark.parametrize("path", ["/health", "/ready", "/version", "/metrics", "/v1/models", "/openapi.json"])


# Methods and headers


@READ
def test_head_is_get_without_its_body(http: httpx.Client, path: str) -> None:
    reply = http.head(path)
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["content-type"] == http.get(path).headers["content-type"]


def test_head_of_nothing_is_not_found(http: httpx.Client) -> None:
    reply = http.head("/v1/nothing")
    assert (reply.status_code, reply.content) == (404, b"")


def test_a_given_request_id_comes_back_and_names_the_reply(http: httpx.Client, target: Target) -> None:
    reply = http.post(CHAT, json={"model": target.direct, **QUICK}, headers={"x-request-id": "abc-1"})
    assert reply.headers["x-request-id"] == "abc-1"
    assert reply.json()["id"] == "chatcmpl-abc-1"


def test_a_reply_without_a_request_id_gets_one_of_its_own(http: httpx.Client, target: Target) -> None:
    replies = [http.post(CHAT, json={"model": target.direct, **QUICK}) for _ in range(2)]
    assert len({reply.headers["x-request-id"] for reply in replies}) == 2
    assert all(reply.json()["id"] == f"chatcmpl-{reply.headers['x-request-id']}" for reply in replies)


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/json;charset=UTF-8"]
)
def test_json_is_json_however_it_is_written(http: httpx.Client, target: Target, content_type: str) -> None:
    content = json.dumps({"model": target.direct, **QUICK})
    assert http.post(CHAT, content=content, headers={"content-type": content_type}).status_code == 200


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/event-stream", "text/html, */*;q=0.1"])
def test_what_a_client_accepts_does_not_change_the_reply(http: httpx.Client, target: Target, accept: str) -> None:
    reply = http.post(CHAT, json={"model": target.direct, **QUICK}, headers={"accept": accept})
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize("name", ["cookie", "x-forwarded-for", "traceparent", "openai-organization", "x-unknown"])
def test_headers_that_say_nothing_here_are_ignored(http: httpx.Client, target: Target, name: str) -> None:
    assert http.post(CHAT, json={"model": target.direct, **QUICK}, headers={name: "a;b=c"}).status_code == 200


def test_a_page_of_another_origin_is_not_let_in_unasked(http: httpx.Client) -> None:
    headers = {"origin": "http://elsewhere.example", "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in http.options(CHAT, headers=headers).headers


# Connections


@pytest.fixture
def address(target: Target) -> tuple[str, int]:
    parts = urlsplit(target.url)
    if parts.scheme != "http":
        pytest.fail("These checks speak plain HTTP. Point --base-url behind whatever ends TLS.")
    return parts.hostname or "", parts.port or 80


def test_one_connection_serves_many_requests(address: tuple[str, int], target: Target) -> None:
    """Refusals among them do not end it, nor do streams."""
    line = HTTPConnection(*address, timeout=60)
    line.connect()
    first = line.sock
    good = json.dumps({"model": target.direct, **QUICK}).encode()
    streamed = json.dumps({"model": target.direct, **QUICK, "stream": True}).encode()
    requests = [
        ("POST", CHAT, good, 200),
        ("POST", CHAT, b"{nope", 400),
        ("GET", "/nothing", None, 404),
        ("PUT", CHAT, b"{}", 405),
        ("POST", CHAT, streamed, 200),
        ("HEAD", "/health", None, 200),
        ("GET", "/v1/models", None, 200),
        ("POST", CHAT, good, 200),
    ]
    for method, path, body, status in requests:
        line.request(method, path, body, {"content-type": "application/json", **target.headers})
        reply = line.getresponse()
        reply.read()
        assert reply.status == status, path
        assert line.sock is first, f"closed after {method} {path}"
    line.close()


def test_requests_sent_ahead_are_answered_in_turn(address: tuple[str, int], target: Target) -> None:
    """Pipelining: all go out before the first reply is read."""
    names = [target.model, "nobody-1", target.direct, "nobody-2", target.model]
    headers = "".join(f"{name}: {value}\r\n" for name, value in target.headers.items())
    with socket.create_connection(address, timeout=60) as line:
        line.sendall(b"".join(f"GET /v1/models/{name} HTTP/1.1\r\nhost: x\r\n{headers}\r\n".encode() for name in names))
        told = [json.loads(_read(line)) for _ in names]
    assert [one.get("id") or one["error"]["message"].split("`")[1] for one in told] == names


def test_an_old_client_gets_its_reply(address: tuple[str, int], target: Target) -> None:
    """HTTP/1.0 knows no chunks and keeps no connection."""
    body = json.dumps({"model": target.direct, **QUICK}).encode()
    headers = "".join(f"{name}: {value}\r\n" for name, value in target.headers.items())
    head = f"POST {CHAT} HTTP/1.0\r\ncontent-type: application/json\r\n{headers}content-length: {len(body)}\r\n\r\n"
    received = b""
    with socket.create_connection(address, timeout=60) as line:
        line.sendall(head.encode() + body)
        while part := line.recv(65536):
            received += part
    assert json.loads(received.partition(b"\r\n\r\n")[2])["object"] == "chat.completion"


def test_a_body_may_come_in_pieces(http: httpx.Client, target: Target) -> None:
    whole = json.dumps({"model": target.direct, **QUICK}).encode()
    parts = (whole[start : start + 7] for start in range(0, len(whole), 7))
    assert http.post(CHAT, content=parts, headers={"content-type": "application/json"}).status_code == 200


def test_a_client_that_waits_for_leave_is_told_to_go_on(address: tuple[str, int], target: Target) -> None:
    body = json.dumps({"model": target.direct, **QUICK}).encode()
    headers = "".join(f"{name}: {value}\r\n" for name, value in target.headers.items())
    head = (
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: application/json\r\n{headers}"
        f"content-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(address, timeout=60) as line:
        line.sendall(head.encode())
        assert line.recv(4096).startswith(b"HTTP/1.1 100")
        line.sendall(body)
        assert json.loads(_read(line))["object"] == "chat.completion"


# Many at once


def test_twenty_at_once_each_get_their_own_reply(http: httpx.Client, target: Target) -> None:
    def own(number: int) -> str:
        draft = f"This is answer number {number}."
        body = {"model": target.model, "messages": MESSAGES, "max_tokens": 64, "reflection": {"draft": draft}}
        message = ask(http, body)["choices"][0]["message"]
        assert f"Draft: {draft}\n" in message["reasoning"]
        said: str = message["reflection"]["draft"]
        return said

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(own, range(20))) == [f"This is answer number {number}." for number in range(20)]


def test_twenty_streams_at_once_keep_apart(http: httpx.Client, target: Target) -> None:
    def ids(number: int) -> set[str]:
        body = {"model": target.direct, "messages": MESSAGES, "max_tokens": 12, "stream": True}
        with http.stream("POST", CHAT, json=body, headers={"x-request-id": f"own-{number}"}) as reply:
            lines = [line for line in reply.iter_lines() if line.startswith("data: {")]
        return {json.loads(line.removeprefix("data: "))["id"] for line in lines}

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(ids, range(20))) == [{f"chatcmpl-own-{number}"} for number in range(20)]


def _read(line: socket.socket) -> bytes:
    """One whole reply's body; what follows it stays unread."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += line.recv(1)
    [length] = [int(part.split(b":")[1]) for part in head.split(b"\r\n") if part.lower().startswith(b"content-length")]
    body = b""
    while len(body) < length:
        body += line.recv(length - len(body))
    return body
