"""What a request passes before it is read: its size, its key, the key's rate, and room in the pool.

Pure ASGI: the framework's own middleware would hide a client's disconnect from the routes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tear_chain.errors import BodyTooLarge, InvalidKey, TearError
from tear_server.admission import Bucket, Pool
from tear_server.api.problems import to_reply
from tear_server.call import current_call
from tear_server.keys import Key, name_of
from tear_server.metrics import Metrics

GUARDED = "/v1/"
ADMIN = "/v1/adapters"


class Gate:
    """Lets through what may pass; everything under `/v1/` is guarded, and every POST there is work."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        keys: Mapping[str, Key] | None,
        pool: Pool,
        max_body_bytes: int,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._keys = keys
        """None: nobody is asked for a key."""
        self._pool = pool
        self._max_body_bytes = max_body_bytes
        self._metrics = metrics
        self._clock = clock
        self._buckets = {
            name: Bucket.full(key.requests_per_minute, now_s=clock())
            for name, key in (keys or {}).items()
            if key.requests_per_minute is not None
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit, run and make room again; or refuse, having begun nothing."""
        if scope["type"] != "http" or not scope["path"].startswith(GUARDED):
            await self._app(scope, receive, send)
            return
        is_work = scope["method"] == "POST"
        told: dict[str, str] = {}
        try:
            name = self._identify(scope)
            if (call := current_call()) is not None:
                call.key = name
            if is_work:
                told |= self._count(name)
                receive = await _whole_body(Headers(scope=scope), receive, self._max_body_bytes)
                self._pool.enter()
        except TearError as error:
            self._metrics.rejected.labels(error.code).inc()
            refusal = to_reply(error)
            refusal.headers.update(told)
            await refusal(scope, receive, send)
            return
        try:
            await self._app(scope, receive, _with_headers(send, told))
        finally:
            if is_work:
                self._pool.leave()

    def _identify(self, scope: Scope) -> str | None:
        if self._keys is None:
            return None
        scheme, _, presented = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not presented.strip():
            raise InvalidKey("This server asks for an API key.")
        name = name_of(self._keys, presented.strip())
        if name is None:
            raise InvalidKey("That API key is not known here.")
        if scope["path"].startswith(ADMIN) and not self._keys[name].admin:
            raise InvalidKey(f"The key {name} may not change what is served: that takes an admin key.")
        return name

    def _count(self, name: str | None) -> dict[str, str]:
        bucket = self._buckets.get(name or "")
        if name is None or bucket is None:
            return {}
        left = bucket.take(name, now_s=self._clock())
        return {"x-ratelimit-limit-requests": str(bucket.per_minute), "x-ratelimit-remaining-requests": str(left)}


async def _whole_body(headers: Headers, receive: Receive, limit: int) -> Receive:
    """Read the body here, as far as it may go; what comes after it (a disconnect) is still `receive`'s to tell."""
    too_large = BodyTooLarge(f"The request is longer than {limit} bytes, the most that is read here.")
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise too_large
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise too_large
        more = message.get("more_body", False)
    unread: list[Message] = [{"type": "http.request", "body": b"".join(parts), "more_body": more}]
    if more:
        unread.append({"type": "http.disconnect"})

    async def again() -> Message:
        return unread.pop(0) if unread else await receive()

    return again


def _with_headers(send: Send, told: Mapping[str, str]) -> Send:
    if not told:
        return send

    async def telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(told)
        await send(message)

    return telling
