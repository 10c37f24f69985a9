from __future__ import annotations

import httpx
import pytest
from stories import KEPT, play, service_over

from tear_chain.tokenizer import ChainTokenizer
from tear_server.api.app import build_app


@pytest.mark.parametrize("path", ["/health", "/ready", "/version", "/metrics", "/v1/models", "/v1/nothing"])
async def test_head_says_what_get_would_say(tokenizer: ChainTokenizer, path: str) -> None:
    app = build_app(service_over(play(tokenizer, KEPT), tokenizer))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tear") as client:
        head, get = await client.head(path), await client.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
