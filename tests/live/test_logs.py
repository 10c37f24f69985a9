"""What the live server writes of a request, vLLM and uvicorn behind it."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from live.conftest import LiveServer

SAID = "Quokkas are what my neighbour keeps."


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": SAID}], "stream": True}),
        ("/v1/witness", {"items": [{"messages": [{"role": "user", "content": SAID}], "answer": SAID}]}),
        ("/v1/responses", {"input": SAID, "temperature": SAID}),
    ],
    ids=["stream", "witness", "refused"],
)
def test_a_request_is_found_in_the_log_by_its_id_and_not_by_its_words(
    live: LiveServer, http: httpx.Client, path: str, body: dict[str, Any]
) -> None:
    name = f"log-{time.monotonic_ns()}"
    reply = http.post(path, json=body, headers={"x-request-id": name})
    assert reply.headers["x-request-id"] == name
    found = of_request(live, name)
    assert f"POST {path} {reply.status_code} " in found[-1]
    assert len([line for line in found if "tear.reflection: refl-" in line]) == (reply.status_code == 200)
    assert SAID.split()[0] not in live.log.read_text()


def of_request(live: LiveServer, name: str) -> list[str]:
    """The log's lines with that id, once the request's own is among them: it follows the reply's last byte."""
    deadline = time.monotonic() + 5
    while True:
        found = [line for line in live.log.read_text().splitlines() if line.endswith(f"request_id={name}")]
        if any("tear.request" in line for line in found) or time.monotonic() > deadline:
            return found
        time.sleep(0.02)
