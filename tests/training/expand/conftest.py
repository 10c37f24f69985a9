"""A real HTTP server that speaks enough of OpenAI's API, with replies that only the prompt decides."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

WEIGHTS = {"soft opens": 2, "soft closes": -2, "blunt opens": 1, "blunt closes": -1}
WAIT_S = 20.0

Body = dict[str, Any]


@dataclass(frozen=True)
class Answered:
    """A reply of the server."""

    text: str | None = None
    status: int = 200
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    finish_reason: str = "stop"


def words(*key: object, count: int = 15) -> str:
    """Words that only `key` decides, and that no other key has in this order."""
    digest = hashlib.sha512(repr(key).encode()).hexdigest()
    return " ".join(digest[start : start + 5] for start in range(0, count * 5, 5))


def situation(body: Body) -> dict[str, Any]:
    """A square whose words hang on the prompt and the seed. The second word of an answer tells the judge its weight."""
    key = (body["messages"][-1]["content"], body["seed"])
    return {
        "messages": [{"role": "user", "content": words(key, "input")}],
        "crisis": False,
        "answers": [
            {
                "manner": cell.split()[0],
                "kind": "plain",
                "response": f"weighs {weight:+d} {words(key, cell, 'response')}",
                "who": words(key, cell, "who"),
                "impact": words(key, cell, "impact"),
                "ripples": words(key, cell, "ripples"),
                "weight": weight,
                "revised": words(key, cell, "revised") if weight < 0 else None,
            }
            for cell, weight in WEIGHTS.items()
        ],
    }


def judgement(body: Body) -> dict[str, Any]:
    """What a judge says that agrees with the writer."""
    found = re.search(r"weighs ([+-]\d)", body["messages"][-1]["content"])
    assert found is not None
    return {"who": "a baker", "effect": "it lands", "weight": int(found[1])}


def reply(body: Body) -> Answered:
    """What a good server answers."""
    return Answered(json.dumps(judgement(body) if body["model"] == "judge" else situation(body)))


@dataclass
class Server:
    """The server's address, what it was asked, and what it answers."""

    url: str = ""
    asked: list[Body] = field(default_factory=list)
    answered: list[Body] = field(default_factory=list)
    under_way: int = 0
    peak: int = 0
    script: Callable[[Body], Answered] = reply
    lock: threading.Lock = field(default_factory=threading.Lock)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with state.lock:
                state.asked.append(body)
                state.under_way += 1
                state.peak = max(state.peak, state.under_way)
            try:
                said = state.script(body)
            finally:
                with state.lock:
                    state.under_way -= 1
            self._send(said, body)

        def _send(self, said: Answered, body: Body) -> None:
            whole = {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 0,
                "model": body["model"],
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": said.finish_reason,
                        "message": {"role": "assistant", "content": said.text},
                    }
                ],
            }
            raw = said.body if said.body is not None else json.dumps(whole).encode()
            try:
                self.send_response(said.status)
                for name, value in (("Content-Type", "application/json"), *said.headers):
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)
            except (BrokenPipeError, ConnectionResetError):
                return
            if said.status == 200:
                with state.lock:
                    state.answered.append(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass

    with Quiet(("127.0.0.1", 0), Handler) as http:
        state.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        http.shutdown()
        thread.join()
