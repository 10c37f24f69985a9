"""What is served and how it fares: models, health, readiness, version, metrics."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from tear_chain.errors import EngineAway, EngineDead, EngineUnreachable, Stopping, TearError
from tear_chain.format import FORMAT_VERSION
from tear_server import __version__
from tear_server.api.serving import Serving
from tear_server.service import Service

routes = APIRouter(tags=["Operations"])


@routes.get("/v1/models")
async def list_models(service: Serving) -> dict[str, Any]:
    """The reflective models and their direct twins."""
    return {"object": "list", "data": [_model(service, name) for name in service.models]}


@routes.get("/v1/models/{name:path}")
async def get_model(name: str, service: Serving) -> dict[str, Any]:
    """One of them."""
    return _model(service, name)


@routes.get("/health")
async def health(service: Serving) -> Response:
    """200 while the process lives and has not given up its engine: a failing liveness probe should restart it."""
    try:
        await service.engine.health()
    except (EngineAway, EngineUnreachable):
        # One comes back by itself; a restart here brings none back that is elsewhere.
        return _ok()
    except EngineDead as error:
        return _unwell(error)
    return _ok()


@routes.get("/ready")
async def ready(service: Serving) -> Response:
    """200 when a reflection can be served now: not while the engine is started anew, nor while the server stops."""
    try:
        service.door.check()
        await service.engine.health()
    except (Stopping, EngineDead) as error:
        return _unwell(error)
    return _ok()


@routes.get("/version")
async def version(service: Serving) -> dict[str, Any]:
    """This server, its chain format, base and adapter (the default model's), and whether it keeps a journal."""
    adapter = service.registry.line(service.model).now
    return {
        "version": __version__,
        "format_version": FORMAT_VERSION,
        "base": {"name": service.base.name, "fingerprint": service.base.fingerprint},
        "adapter": {"name": adapter.name, "metrics": dict(adapter.manifest.metrics)},
        "journal": service.journal is not None,
    }


@routes.get("/metrics")
async def metrics(service: Serving) -> Response:
    """`tear_*`, and vLLM's own `vllm:*`."""
    page = generate_latest(service.metrics.registry) + generate_latest(REGISTRY)
    return Response(page, media_type=CONTENT_TYPE_LATEST)


def _ok() -> Response:
    return JSONResponse({"status": "ok"})


def _unwell(error: TearError) -> Response:
    return JSONResponse({"status": error.code, "message": error.sentence()}, 503)


def _model(service: Service, name: str) -> dict[str, Any]:
    served = service.look(name)
    adapter = service.registry.version(served.adapter)
    return {
        "id": name,
        "object": "model",
        "created": service.started,
        "owned_by": "the-tear",
        "root": service.base.name,
        "max_model_len": service.context,
        "reflects": served.reflects,
        "adapter": served.adapter,
        "cas": None if adapter is None else adapter.cas,
    }
