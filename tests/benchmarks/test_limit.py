from __future__ import annotations

from typing import Any

import httpx
from serving.limit import LimitIsLength
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ASKED = {"messages": [], "max_tokens": 90}


async def echo(request: Request) -> Response:
    return JSONResponse(await request.json())


async def told(headers: dict[str, str]) -> Any:
    """What reaches the server behind the middleware."""
    app = LimitIsLength(Starlette(routes=[Route("/", echo, methods=["POST"])]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        return (await client.post("/", json=ASKED, headers=headers)).json()


async def test_the_sdks_limit_becomes_its_length() -> None:
    assert await told({"x-stainless-lang": "python"}) == {**ASKED, "min_tokens": 90, "ignore_eos": True}


async def test_other_clients_requests_pass_as_they_are() -> None:
    assert await told({}) == ASKED
