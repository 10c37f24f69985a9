"""What is asked over HTTP, counted by route: how often, how it went, how long it took.

Pure ASGI: the framework's own middleware would hide a client's disconnect from the routes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tear_server.api.chat import GONE
from tear_server.metrics import Metrics

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_PATH = "(no such path)"
"""Stands for what is not served: nothing is repeated in logs and labels that a client can make up."""
AT_ZERO = ("200", "500", "503")
"""Statuses whose series begin with the server, so that the first failure is a rise and not a beginning."""


class Traffic:
    """Counts every request when its reply has ended, streams and those that break off included."""

    def __init__(self, app: ASGIApp, *, routes: Sequence[BaseRoute], metrics: Metrics) -> None:
        self._app = app
        self._routes = routes
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s, status = time.monotonic(), GONE

        async def watching(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watching)
        finally:
            route, method = route_of(self._routes, scope), method_of(scope)
            self._metrics.http_requests.labels(route, method, str(status)).inc()
            self._metrics.http_seconds.labels(route, method).observe(time.monotonic() - began_s)


def begin_at_zero(routes: Sequence[BaseRoute], metrics: Metrics) -> None:
    """Begin the series of what the application serves."""
    for route in routes:
        if not isinstance(route, Route):
            continue
        for method in (route.methods or set()) - {"HEAD"}:
            metrics.http_seconds.labels(route.path_format, method)
            for status in AT_ZERO:
                metrics.http_requests.labels(route.path_format, method, status)


def route_of(routes: Sequence[BaseRoute], scope: Scope) -> str:
    """The path as the routes write it: without the names and ids that stand in it."""
    for route in routes:
        if route.matches(scope)[0] is not Match.NONE:
            return str(getattr(route, "path_format", NO_PATH))
    return NO_PATH


def method_of(scope: Scope) -> str:
    """The method, `OTHER` for one that a client made up."""
    return scope["method"] if scope["method"] in METHODS else "OTHER"
