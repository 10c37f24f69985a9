"""Both constant servers give the same answer, so that a proxy before one can be set against the other."""

from __future__ import annotations

from pathlib import Path

import httpx
from serving.answer import WORDS
from serving.constant import constant_service
from serving.upstream import build_upstream

from tear_server.api.app import build_app

ASKED = {"model": "tear-nano-direct", "messages": [{"role": "user", "content": "Am I any good?"}]}


async def answer(app: object, **fields: object) -> str:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:  # type: ignore[arg-type]
        return (await client.post("/v1/chat/completions", json={**ASKED, **fields})).text


async def test_our_service_and_the_upstream_say_the_same(nano_base: Path, nano_adapter: Path) -> None:
    for app in (build_app(constant_service(nano_base, nano_adapter)), build_upstream()):
        assert f'"content":"{"".join(WORDS)}"'.replace(" ", "") in (await answer(app)).replace(" ", "")


async def test_both_stream_a_word_at_a_time(nano_base: Path, nano_adapter: Path) -> None:
    for app in (build_app(constant_service(nano_base, nano_adapter)), build_upstream()):
        stream = await answer(app, stream=True)
        assert sum(f'"content":"{word}"' in stream for word in WORDS) == len(WORDS) == 32
        assert stream.count('{"content":') == 32
