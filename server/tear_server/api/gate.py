"""What a request passes before it is read: its key, the key's account, its size, and room in the pool.

Pure ASGI: the framework's own middleware would hide a client's disconnect from the routes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tear_chain.errors import BodyTooLarge, BodyTooSlow, InvalidKey, TearError
from tear_server.admission import Account, Admission, Bucket, Pool
from tear_server.api.problems import to_reply
from tear_server.api.usage import usage_of
from tear_server.call import current_call
from tear_server.door import Door
from tear_server.keys import Key, name_of
from tear_server.metrics import Metrics

GUARDED = "/v1/"
ADMIN = "/v1/adapters"
BODY_LIMIT_S = 30.0
"""How long a body may take: who sends it has a place in the pool meanwhile."""
UNITS = ("requests", "tokens")
RATE_HEADERS = tuple(f"x-ratelimit-{what}-{unit}" for unit in UNITS for what in ("limit", "remaining", "reset"))


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
        door: Door,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._keys = keys
        """None: nobody is asked for a key."""
        self._pool = pool
        self._max_body_bytes = max_body_bytes
        self._metrics = metrics
        self._door = door
        self._clock = clock
        self._accounts = {name: self._open_account(name, key) for name, key in (keys or {}).items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit, run and make room again; or refuse, having begun nothing."""
        if scope["type"] != "http" or not scope["path"].startswith(GUARDED):
            await self._app(scope, receive, send)
            return
        call = current_call()
        assert call is not None, "`Calls` is around the whole application"
        try:
            try:
                call.key = self._identify(scope)
                if scope["method"] == "POST":
                    account = self._accounts.get(call.key or "")
                    if account is not None:
                        send = self._telling(send, account)
                    self._door.check()
                    if account is not None:
                        account.ask()
                    # Before the body is read: a full server says so at once, and holds only bodies that it works on.
                    self._door.enter()
                    call.admission = Admission(self._pool, account)
                    call.admission.enter()
                    receive = await _whole_body(Headers(scope=scope), receive, self._max_body_bytes)
            except TearError as error:
                self._metrics.rejected.labels(error.code).inc()
                await to_reply(error)(scope, receive, send)
                return
            await self._app(scope, receive, send)
        finally:
            if call.admission is not None:
                call.admission.leave()
                self._door.leave()
                call.admission.charge(usage_of(call).total)

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

    def _open_account(self, name: str, key: Key) -> Account:
        def full(per_minute: int | None) -> Bucket | None:
            return None if per_minute is None else Bucket.full(per_minute, now_s=self._clock())

        return Account(name, full(key.requests_per_minute), full(key.tokens_per_minute), clock=self._clock)

    def _telling(self, send: Send, account: Account) -> Send:
        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._told(account))
            await send(message)

        return telling

    def _told(self, account: Account) -> Mapping[str, str]:
        told: dict[str, str] = {}
        for unit, bucket in zip(UNITS, (account.requests, account.tokens), strict=True):
            if bucket is not None:
                told |= {
                    f"x-ratelimit-limit-{unit}": str(bucket.per_minute),
                    f"x-ratelimit-remaining-{unit}": str(bucket.left(now_s=self._clock())),
                    f"x-ratelimit-reset-{unit}": f"{bucket.full_in_s():.3f}s",
                }
        return told


async def _whole_body(headers: Headers, receive: Receive, limit: int) -> Receive:
    """Read the body here, as far and as long as it may go; what comes after it (a disconnect) `receive` still tells."""
    too_large = BodyTooLarge(f"The request is longer than {limit} bytes, the most that is read here.")
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise too_large
    parts: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(BODY_LIMIT_S):
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    break
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > limit:
                    raise too_large
                more = message.get("more_body", False)
    except TimeoutError as exc:
        raise BodyTooSlow(f"The request did not come whole within {BODY_LIMIT_S:g} s.") from exc
    unread: list[Message] = [{"type": "http.request", "body": b"".join(parts), "more_body": more}]
    if more:
        unread.append({"type": "http.disconnect"})

    async def again() -> Message:
        return unread.pop(0) if unread else await receive()

    return again
