"""How a route comes by the service that its application serves."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from tear_server.service import Service


async def service_of(request: Request) -> Service:
    """The service that `build_app` was given."""
    service: Service = request.app.state.service
    return service


Serving = Annotated[Service, Depends(service_of)]
"""The type of a route's parameter that is the service."""
