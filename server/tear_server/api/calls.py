"""The outermost layer of the application: each request gets an id, which every reply tells, a span and a log line.

Pure ASGI: the framework's own middleware would hide a client's disconnect from the routes.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tear_server.api.chat import GONE
from tear_server.api.traffic import method_of, route_of
from tear_server.api.usage import usage_of
from tear_server.call import NAME, Call, begin_call
from tear_server.logs import with_fields

if TYPE_CHECKING:
    from tear_server.spans import Tracing

PROBES = frozenset({"/health", "/ready", "/metrics"})
"""Asked every few seconds by machines; their lines are at level debug."""
TRACED = "/v1/"
OPERATIONS = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "chat",
    "/v1/reflections": "chat",
    "/v1/witness": "witness",
}
"""What OpenTelemetry calls them; it has no word for foreseeing alone."""
_log = logging.getLogger("tear.request")


class Calls:
    """Wraps the whole application, its own error handling included."""

    def __init__(self, app: ASGIApp, *, routes: Sequence[BaseRoute], tracing: Tracing | None) -> None:
        self._app = app
        self._routes = routes
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, tell its id, and say how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        method, path = method_of(scope), route_of(self._routes, scope)
        call, status = _begin(headers), GONE
        if self._tracing is not None and path.startswith(TRACED):
            call.span = self._tracing.begin(method, path=path, headers=headers)
        # Not taken back at the end: the server gives each request a task, and logs a surprise there after this.
        begin_call(call)

        async def telling(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = call.id
            await send(message)

        try:
            await self._app(scope, receive, telling)
        finally:
            _tell(call, method, path, status)


def _begin(headers: Headers) -> Call:
    given = headers.get("x-request-id", "")
    is_named = NAME.fullmatch(given) is not None
    return Call(given if is_named else uuid.uuid4().hex, is_named=is_named)


def _tell(call: Call, method: str, path: str, status: int) -> None:
    usage = usage_of(call)
    if call.span is not None:
        call.span.end(call, operation=OPERATIONS.get(path), status=status, usage=usage)
    level = logging.WARNING if status >= 500 else logging.DEBUG if path in PROBES else logging.INFO
    if not _log.isEnabledFor(level):
        return
    request = {"method": method, "path": path, "status": status}
    fields = with_fields(
        seconds=round(time.monotonic() - call.began_s, 3),
        key=call.key,
        model=call.runs[0].model if call.runs else None,
        reflections=len(call.runs) or None,
        outcome="+".join(dict.fromkeys(run.outcome.value for run in call.runs)) or None,
        prompt_tokens=usage.prompt if call.runs else None,
        completion_tokens=usage.completion if call.runs else None,
        code=call.failure,
    )
    _log.log(level, "%(method)s %(path)s %(status)d", request, extra=fields)
