"""The outermost layer of the application: each request gets an id, which every reply tells, and a log line.

Pure ASGI: the framework's own middleware would hide a client's disconnect from the routes.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tear_server.api.chat import GONE
from tear_server.api.usage import usage_of
from tear_server.call import Call, begin_call
from tear_server.logs import with_fields

NAME = re.compile(r"[!-~]{1,128}")
"""An id that a client may give: it goes into headers and logs, where it must be one word."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_PATH = "(no such path)"
"""Stands in logs for what is not served: nothing is repeated there that a client can make up."""
PROBES = frozenset({"/health", "/ready", "/metrics"})
"""Asked every few seconds by machines; their lines are at level debug."""
_log = logging.getLogger("tear.request")


class Calls:
    """Wraps the whole application, its own error handling included."""

    def __init__(self, app: ASGIApp, *, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, tell its id and log how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call, status = _begin(scope), GONE
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
            _tell(call, scope["method"], self._path(scope), status)

    def _path(self, scope: Scope) -> str:
        """The path as the routes write it: without the names and ids that stand in it."""
        for route in self._routes:
            if route.matches(scope)[0] is not Match.NONE:
                return str(getattr(route, "path_format", NO_PATH))
        return NO_PATH


def _begin(scope: Scope) -> Call:
    given = Headers(scope=scope).get("x-request-id", "")
    is_named = NAME.fullmatch(given) is not None
    return Call(given if is_named else uuid.uuid4().hex, is_named=is_named)


def _tell(call: Call, method: str, path: str, status: int) -> None:
    level = logging.WARNING if status >= 500 else logging.DEBUG if path in PROBES else logging.INFO
    if not _log.isEnabledFor(level):
        return
    request = {"method": method if method in METHODS else "OTHER", "path": path, "status": status}
    usage = usage_of(call)
    fields = with_fields(
        seconds=round(time.monotonic() - call.began_s, 3),
        key=call.key,
        model=call.runs[0].model if call.runs else None,
        reflections=len(call.runs) or None,
        outcome="+".join(dict.fromkeys(run.outcome.value for run in call.runs)) or None,
        prompt_tokens=usage.prompt if call.runs else None,
        completion_tokens=usage.completion if call.runs else None,
        code=call.code or next((run.code for run in call.runs if run.code), None),
    )
    _log.log(level, "%(method)s %(path)s %(status)d", request, extra=fields)
