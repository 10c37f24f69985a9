"""`/v1/adapters`: which versions are loaded, which model answers with which, and how to change that.

The gate lets only admin keys through to here, whatever the method.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from tear_chain.errors import InvalidRequest
from tear_server.adapters import Adapter
from tear_server.api.schemas import Text
from tear_server.api.serving import Serving
from tear_server.call import current_call
from tear_server.registry import Line, Registry
from tear_server.rollout import AdaptersOff, Rollout
from tear_server.service import Service


class AdapterBody(BaseModel):
    """`POST /v1/adapters`: an adapter to serve."""

    model_config = ConfigDict(extra="forbid")

    path: Text
    """Name of a folder inside the server's folder of adapters."""
    model: Text | None = None
    """Model to serve it as; a new name is a new model."""


routes = APIRouter(tags=["Operations"])


@routes.get("/v1/adapters")
async def list_adapters(request: Request, service: Serving) -> dict[str, Any]:
    """The versions that are loaded, and which model answers with which."""
    _rollout(service, request)
    registry = service.registry
    shown = [_version(registry, adapter) for adapter in registry.versions]
    return {"object": "list", "data": shown}


@routes.post("/v1/adapters")
async def load_adapter(body: AdapterBody, request: Request, service: Serving) -> dict[str, Any]:
    """Load an adapter and serve it from then on; what is being answered ends with the version it began with."""
    model = service.model if body.model is None else body.model
    line = await _rollout(service, request).load(body.path, model=model, by=_key())
    return _line(model, line)


@routes.post("/v1/adapters/{model:path}/rollback")
async def roll_back_adapter(model: str, request: Request, service: Serving) -> dict[str, Any]:
    """Serve the version before again."""
    line = await _rollout(service, request).roll_back(model, by=_key())
    return _line(model, line)


@routes.delete("/v1/adapters/{name:path}")
async def remove_adapter(name: str, request: Request, service: Serving) -> dict[str, Any]:
    """Stop serving a model, or unload a version that nothing stands on."""
    kind = await _rollout(service, request).remove(name, by=_key())
    return {"id": name, "object": kind, "deleted": True}


def _rollout(service: Service, request: Request) -> Rollout:
    if service.rollout is None:
        raise AdaptersOff("This server takes no adapters while it runs.")
    # Without keys, any web page that a person on this machine looks at could send a POST without a body to it. It
    # could not send the header of a key, nor JSON.
    if request.headers.get("sec-fetch-site") in ("cross-site", "same-site") and _key() is None:
        raise InvalidRequest("Another site's page may not change what is served here.")
    return service.rollout


def _key() -> str | None:
    call = current_call()
    return None if call is None else call.key


def _version(registry: Registry, adapter: Adapter) -> dict[str, Any]:
    lines, version = registry.lines, adapter.name
    return {
        "id": version,
        "object": "adapter",
        "name": adapter.manifest.name,
        "rank": adapter.manifest.rank,
        "models": [model for model, line in lines if line.now.name == version],
        "before_in": [model for model, line in lines if line.before is not None and line.before.name == version],
        "in_flight": registry.in_flight(version),
        "metrics": dict(adapter.manifest.metrics),
    }


def _line(model: str, line: Line) -> dict[str, Any]:
    before = None if line.before is None else line.before.name
    return {"object": "model.adapter", "model": model, "adapter": line.now.name, "before": before}
