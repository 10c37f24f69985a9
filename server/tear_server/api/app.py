"""The FastAPI application: routes and error handlers over one service."""

from __future__ import annotations

from fastapi import FastAPI

from tear_server import __version__
from tear_server.api import problems
from tear_server.api.chat import chat_routes
from tear_server.api.meta import meta_routes
from tear_server.api.reflections import reflection_routes
from tear_server.api.witness import witness_routes
from tear_server.service import Service


def build_app(service: Service) -> FastAPI:
    """An application that serves `service`; building it starts nothing."""
    app = FastAPI(
        title="The Tear",
        version=__version__,
        summary="A model drafts an answer, witnesses what it would do to the person who receives it, then keeps or "
        "revises it.",
    )
    problems.install(app, service.metrics)
    app.include_router(chat_routes(service))
    app.include_router(reflection_routes(service))
    app.include_router(witness_routes(service))
    app.include_router(meta_routes(service))
    return app
