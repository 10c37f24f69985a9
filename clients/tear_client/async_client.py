"""The client for asyncio: the methods of `Client`, awaited.

async with AsyncClient() as client:
    reflection = await client.reflect("I've been trying to learn piano for a month but I'm still terrible.")
    print(reflection.witness, reflection.answer)
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from copy import copy
from datetime import UTC, datetime
from types import TracebackType
from typing import Self, TypeVar, Unpack

import httpx
import httpx_sse

from tear_chain.conversation import Message
from tear_chain.events import Event
from tear_chain.words import Reflection
from tear_client import calls
from tear_client.address import is_loopback, request_headers, server_url
from tear_client.calls import Call, Draws, Item, Wishes
from tear_client.errors import ClientError, ServerUnreachable, StatusError
from tear_client.exchange import EventReader, is_answer, not_answered, read_refusal, read_reply
from tear_client.progress import Progress
from tear_client.replies import (
    Health,
    LoadedAdapter,
    OutcomeReport,
    RemovedAdapter,
    ServedAdapter,
    ServedModel,
    ServerVersion,
    Witness,
)
from tear_client.retry import DEFAULT_PATIENCE, Attempts, Patience, to_timeout

T = TypeVar("T")


class AsyncReflectionStream:
    """A reflection while it happens: iterate its events, or go straight to `final()`.

    Where it does not end well both raise a `StreamCut`, whose `partial` is what had come.
    """

    def __init__(self, response: httpx.Response, reader: EventReader) -> None:
        self._reader = reader
        self._events = self._read(response)

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events

    @property
    def progress(self) -> Progress:
        """What is known so far."""
        return self._reader.progress

    @property
    def text(self) -> str:
        """The answer so far: nothing while it may still be withdrawn."""
        return self._reader.progress.answer

    @property
    def request_id(self) -> str | None:
        """What the server calls the request in its log."""
        return self._reader.request_id

    async def final(self) -> Reflection:
        """Wait for the end and return the reflection."""
        async for _ in self._events:
            pass
        return self._reader.result()

    async def _read(self, response: httpx.Response) -> AsyncIterator[Event]:
        try:
            async for message in httpx_sse.EventSource(response).aiter_sse():
                event = self._reader.read(message.event, message.data)
                if event is not None:
                    yield event
                if self._reader.is_done:
                    return
            raise self._reader.broken()
        except (ClientError, httpx.RequestError, httpx_sse.SSEError) as error:
            failure = self._reader.failed(error)
            if failure is error:
                raise
            raise failure from error


class AsyncClient:
    """`Client` for asyncio, with the same arguments; close it, or use it in an `async with`.

    Whoever cancels a request ends the work behind it.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float | httpx.Timeout = DEFAULT_PATIENCE.timeout,
        retries: int = DEFAULT_PATIENCE.retries,
        longest_wait_s: float = DEFAULT_PATIENCE.longest_wait_s,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = random.random,
    ) -> None:
        self.url = server_url(base_url)
        self._patience = Patience(timeout=to_timeout(timeout), retries=retries, longest_wait_s=longest_wait_s)
        self._sleep = sleep
        self._random = random
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers=request_headers(api_key),
            transport=transport,
            # A proxy from the environment cannot know this machine's own addresses.
            trust_env=not is_loopback(self.url),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections, which clients made by `with_options` share."""
        await self._http.aclose()

    def with_options(self, *, timeout: float | httpx.Timeout | None = None, retries: int | None = None) -> Self:
        """The same client, over the same connections, with another patience."""
        other = copy(self)
        other._patience = self._patience.changed(timeout=timeout, retries=retries)
        return other

    async def reflect(self, text_or_messages: str | Sequence[Message], **wishes: Unpack[Wishes]) -> Reflection:
        """One reflection, whole. Raises `InvalidRequest` before anything is sent."""
        return await self._fetch(calls.reflection_call(text_or_messages, wishes, stream=False))

    @asynccontextmanager
    async def stream(
        self, text_or_messages: str | Sequence[Message], **wishes: Unpack[Wishes]
    ) -> AsyncIterator[AsyncReflectionStream]:
        """The same as it happens; leaving the `with` early stops the work on the server.

        async with client.stream("…") as stream:
            async for event in stream:
                ...
            reflection = await stream.final()
        """
        response = await self._open(calls.reflection_call(text_or_messages, wishes, stream=True))
        try:
            yield AsyncReflectionStream(response, EventReader(self.url, response.headers.get("x-request-id")))
        finally:
            await response.aclose()

    async def witness(
        self,
        answers: str | Item | Sequence[str | Item],
        *,
        situation: str | Sequence[Message] | None = None,
        **draws: Unpack[Draws],
    ) -> tuple[Witness, ...]:
        """What answers by whomever would do, in their order; each a text that answers `situation`, or an `Item`.

        More than 64 are sent in several requests; if one of them fails, nothing is returned.
        """
        found: list[Witness] = []
        for call in calls.witness_calls(calls.to_items(answers, situation), draws):
            scenes = await self._fetch(call)
            found += scenes
        return tuple(found)

    async def report(self, reflection_id: str, *, text: str, weight: int | None = None) -> OutcomeReport:
        """Report what really came of an answer; `weight` from -3, closed the person, to +3, opened them."""
        return await self._fetch(calls.report_call(reflection_id, text=text, weight=weight))

    async def models(self) -> tuple[ServedModel, ...]:
        """The models served here; the first is the one that answers when none is named."""
        return await self._fetch(calls.models_call())

    async def health(self) -> Health:
        """Whether the server lives. Only where nobody answers is an error raised."""
        return await self._fetch(calls.health_call())

    async def ready(self) -> Health:
        """Whether a reflection can be served now. Only where nobody answers is an error raised."""
        return await self._fetch(calls.ready_call())

    async def version(self) -> ServerVersion:
        """What runs there."""
        return await self._fetch(calls.version_call())

    async def adapters(self) -> tuple[LoadedAdapter, ...]:
        """The versions of adapters that are loaded; for operators, as are the three below."""
        return await self._fetch(calls.adapters_call())

    async def load_adapter(self, path: str, *, model: str | None = None) -> ServedAdapter:
        """Serve the adapter in that folder of the server's folder of adapters, as the default model or `model`."""
        return await self._fetch(calls.load_adapter_call(path, model=model))

    async def roll_back_adapter(self, model: str) -> ServedAdapter:
        """Let a model answer with the version before again."""
        return await self._fetch(calls.roll_back_call(model))

    async def remove_adapter(self, name: str) -> RemovedAdapter:
        """Stop serving a model, or unload a version."""
        return await self._fetch(calls.remove_adapter_call(name))

    async def _fetch(self, call: Call[T]) -> T:
        response = await self._open(call)
        try:
            body = await response.aread()
        except httpx.RequestError as error:
            raise not_answered(self.url, error) from error
        finally:
            await response.aclose()
        return read_reply(self.url, call, body)

    async def _open(self, call: Call[T]) -> httpx.Response:
        """An answer with its body still to be read; whoever gets it closes it."""
        attempts = Attempts(self._patience, self._random)
        while True:
            try:
                return await self._send(call)
            except (ServerUnreachable, StatusError) as error:
                wait_s = None if call.is_probe else attempts.next_wait_s(error)
                if wait_s is None:
                    raise
            await self._sleep(wait_s)

    async def _send(self, call: Call[T]) -> httpx.Response:
        try:
            request = self._http.build_request(
                call.method, call.path, content=call.body, timeout=self._patience.timeout
            )
            response = await self._http.send(request, stream=True)
            if is_answer(call, response.status_code):
                return response
            try:
                refusal = await response.aread()
            finally:
                await response.aclose()
        except httpx.RequestError as error:
            raise not_answered(self.url, error) from error
        raise read_refusal(self.url, response, refusal, now=datetime.now(UTC))
