"""For vLLM's own server: what optillm asks of it becomes exactly as long as its limit."""

from __future__ import annotations

import json

from starlette.types import ASGIApp, Message, Receive, Scope, Send

SDK_HEADER = b"x-stainless-lang"
"""Sent by the OpenAI SDK, which optillm asks with; our own client does not, and its requests pass as they are."""


class LimitIsLength:
    """ASGI middleware: an SDK's `max_tokens` is its `min_tokens`, too, since optillm passes on no wish for one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or all(name != SDK_HEADER for name, _ in scope["headers"]):
            await self._app(scope, receive, send)
            return
        parts: list[bytes] = []
        more = True
        while more:
            message = await receive()
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        asked = json.loads(b"".join(parts))
        body = json.dumps({**asked, "min_tokens": asked["max_tokens"], "ignore_eos": True}).encode()
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return unread.pop() if unread else await receive()

        headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
        length = (b"content-length", str(len(body)).encode())
        await self._app({**scope, "headers": [*headers, length]}, again, send)
