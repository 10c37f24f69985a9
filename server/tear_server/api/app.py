"""The FastAPI application: routes and error handlers over one service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from tear_server import __version__
from tear_server.admission import Pool
from tear_server.api import adapters, chat, meta, outcomes, problems, reflections, responses, witness
from tear_server.api.calls import Calls
from tear_server.api.description import describe
from tear_server.api.gate import RATE_HEADERS, Gate
from tear_server.api.head import Head
from tear_server.api.page import page_routes
from tear_server.api.traffic import Traffic, begin_at_zero
from tear_server.keys import Key
from tear_server.metrics import Metrics
from tear_server.service import Service

if TYPE_CHECKING:
    from tear_server.spans import Tracing

ROUTES = (
    chat.routes,
    responses.routes,
    reflections.routes,
    outcomes.routes,
    witness.routes,
    adapters.routes,
    meta.routes,
)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask, how much and from where."""

    keys: Mapping[str, Key] | None = None
    """None: nobody is asked for a key."""
    max_requests: int = 256
    """Reflections worked on at once; more are refused, not queued."""
    max_body_bytes: int = 4 << 20
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may call from a browser; none unless said."""


class _App(FastAPI):
    """FastAPI, with a layer around its own error handling: an unforeseen failure is a call like any other."""

    metrics: Metrics
    tracing: Tracing | None = None
    asks_for_keys = False

    def build_middleware_stack(self) -> ASGIApp:
        """As FastAPI builds it, and `Traffic` and `Calls` around it."""
        counted = Traffic(super().build_middleware_stack(), routes=self.routes, metrics=self.metrics)
        return Calls(counted, routes=self.routes, tracing=self.tracing)

    def openapi(self) -> dict[str, Any]:
        """As FastAPI has it, but with the replies and refusals that there are."""
        if not self.openapi_schema:
            self.openapi_schema = describe(super().openapi(), keyed=self.asks_for_keys)
        return self.openapi_schema


def build_app(service: Service, access: Access | None = None) -> FastAPI:
    """An application that serves `service`; building it starts nothing."""
    access = access or Access()
    app = _App(
        title="The Tear",
        version=__version__,
        summary="A model drafts an answer, witnesses what it would do to the person who receives it, then keeps or "
        "revises it.",
    )
    app.metrics = service.metrics
    app.tracing = service.tracing
    app.asks_for_keys = access.keys is not None
    problems.install(app, service.metrics)
    pool = Pool(access.max_requests)
    service.metrics.watch_pool(lambda: pool.inside, limit=pool.limit)
    app.add_middleware(
        Gate,
        keys=access.keys,
        pool=pool,
        max_body_bytes=access.max_body_bytes,
        metrics=service.metrics,
        door=service.door,
    )
    app.add_middleware(Head)
    if access.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=access.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=[
                "authorization",
                "content-type",
                "x-request-id",
                "x-session-id",
                "traceparent",
                "tracestate",
            ],
            expose_headers=["x-request-id", "retry-after", "retry-after-ms", "x-should-retry", *RATE_HEADERS],
        )
    app.state.service = service
    for routes in (*ROUTES, page_routes()):
        # Not `include_router`, which makes every route anew: they are the same for each service.
        app.router.routes.extend(routes.routes)
    begin_at_zero(app.routes, service.metrics)
    return app
