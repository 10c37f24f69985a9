"""An application called without a network or a client library: as lean as ten thousand calls want it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.types import ASGIApp, Message


async def call(app: ASGIApp, path: str, body: object) -> tuple[int, bytes]:
    """Post JSON; the status and all bytes of the reply."""
    content = json.dumps(body).encode()
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"host", b"tear")],
        "client": ("127.0.0.1", 1),
        "server": ("tear", 80),
    }
    unread: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]
    status, parts = 0, list[bytes]()

    async def receive() -> Message:
        if unread:
            return unread.pop()
        await asyncio.Event().wait()
        raise AssertionError("nobody leaves")

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)
        parts.append(message.get("body", b""))

    await app(scope, receive, send)
    return status, b"".join(parts)
