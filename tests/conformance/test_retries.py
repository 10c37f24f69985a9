"""OpenAI's SDK retries what the server calls worth it, and nothing else. The engine is scripted: it must fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx2
import openai
import pytest
from conformance.recorded import MESSAGES
from scripted import ScriptedEngine
from stories import ANSWER, KEPT, MODEL, REVISED, play, service_over, until

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Stage
from tear_server.api.app import Access, build_app
from tear_server.engine import Chunk, Generation
from tear_server.keys import Key, make_key


class Counted(httpx2.ASGITransport):
    """Counts what is asked."""

    asked = 0

    async def handle_async_request(self, request: Any) -> Any:
        type(self).asked += 1
        return await super().handle_async_request(request)


class Recovering(ScriptedEngine):
    """Fails the first time only."""

    async def generate(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
        if self.asked:
            self.fail_in = None
        async with aclosing(super().generate(generation)) as chunks:
            async for chunk in chunks:
                yield chunk


@asynccontextmanager
async def sdk_over(
    tokenizer: ChainTokenizer, engine: ScriptedEngine, *, access: Access | None = None, key: str = "none"
) -> AsyncIterator[tuple[openai.AsyncOpenAI, type[Counted]]]:
    class Transport(Counted):
        pass

    app = build_app(service_over(engine, tokenizer), access)
    transport = Transport(app=app, raise_app_exceptions=False)
    async with (
        httpx2.AsyncClient(transport=transport) as client,
        openai.AsyncOpenAI(base_url="http://tear/v1", api_key=key, max_retries=1, http_client=client) as sdk,
    ):
        yield sdk, Transport


async def test_a_failing_engine_is_asked_again(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, KEPT, fail_in=Stage.WITNESS)
    async with sdk_over(tokenizer, engine) as (sdk, counted):
        with pytest.raises(openai.InternalServerError) as caught:
            await sdk.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert counted.asked == 2
    assert caught.value.code == "engine_error"


async def test_an_engine_that_recovers_is_not_noticed(tokenizer: ChainTokenizer) -> None:
    told = play(tokenizer, REVISED)
    engine = Recovering(told.scripts, leads_to=told.leads_to, fail_in=Stage.WITNESS)
    async with sdk_over(tokenizer, engine) as (sdk, counted):
        reply = await sdk.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert (counted.asked, reply.choices[0].message.content) == (2, ANSWER)


async def test_a_surprise_is_not_asked_again(tokenizer: ChainTokenizer) -> None:
    """A reflection is three times the work: what failed for no known reason would fail three times as dear."""
    engine = play(tokenizer, KEPT)
    engine.scripts = {}  # a KeyError in the midst of it
    async with sdk_over(tokenizer, engine) as (sdk, counted):
        with pytest.raises(openai.InternalServerError) as caught:
            await sdk.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert counted.asked == 1
    assert caught.value.code == "internal_error"


async def test_a_full_server_is_asked_again_when_it_says(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, KEPT, hang_in=Stage.DRAFT)
    async with sdk_over(tokenizer, engine, access=Access(max_requests=1)) as (sdk, counted):
        first = asyncio.ensure_future(sdk.chat.completions.create(model=MODEL, messages=MESSAGES))
        await until(lambda: engine.asked)
        with pytest.raises(openai.InternalServerError) as caught:
            await sdk.chat.completions.create(model=MODEL, messages=MESSAGES)
        first.cancel()
    assert (counted.asked, caught.value.status_code, caught.value.code) == (3, 503, "overloaded")
    assert float(caught.value.response.headers["retry-after-ms"]) <= 1000


async def test_a_bad_request_is_not_asked_again(tokenizer: ChainTokenizer) -> None:
    async with sdk_over(tokenizer, play(tokenizer, KEPT)) as (sdk, counted):
        with pytest.raises(openai.BadRequestError):
            await sdk.chat.completions.create(model=MODEL, messages=[])
    assert counted.asked == 1


async def test_a_bad_key_is_not_asked_again(tokenizer: ChainTokenizer) -> None:
    _, digest = make_key()
    access = Access(keys={"somebody": Key(sha256=digest)})
    async with sdk_over(tokenizer, play(tokenizer, KEPT), access=access, key="wrong") as (sdk, counted):
        with pytest.raises(openai.AuthenticationError) as caught:
            await sdk.chat.completions.create(model=MODEL, messages=MESSAGES)
    assert (counted.asked, caught.value.code) == (1, "invalid_api_key")


@pytest.mark.parametrize("stage", list(Stage))
async def test_a_failure_in_the_midst_of_a_stream_is_raised(tokenizer: ChainTokenizer, stage: Stage) -> None:
    async with sdk_over(tokenizer, play(tokenizer, REVISED, fail_in=stage)) as (sdk, counted):
        stream = await sdk.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        with pytest.raises(openai.APIError) as caught:
            async for _ in stream:
                pass
    assert (counted.asked, caught.value.code) == (1, "engine_error")
