"""The client: reflections over HTTP.

with Client() as client:
    reflection = client.reflect("I've been trying to learn piano for a month but I'm still terrible.")
    print(reflection.witness, reflection.answer)
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import httpx
import httpx_sse

from tear_chain.conversation import Message
from tear_chain.events import Completed, Event
from tear_chain.words import Reflection
from tear_client.errors import ClientError, ServerUnreachable, StatusError, UnreadableReply
from tear_client.exchange import (
    EventReader,
    ReflectionRequest,
    ServedModel,
    is_loopback,
    parse_url,
    read_models,
    read_reflection,
    read_refusal,
    request_headers,
    to_messages,
    unreachable,
    wait_before_retry,
)
from tear_client.progress import Progress

DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT_S = 600.0
CONNECT_TIMEOUT_S = 5.0

_MODELS = "/v1/models"
_REFLECTIONS = "/v1/reflections"


class ReflectionStream:
    """A reflection while it happens: iterate its events, or go straight to `final()`.

    Where it does not end well both raise `ReflectionFailed` or `StreamBroken`, whose `kept` is what had come.
    """

    def __init__(self, response: httpx.Response, reader: EventReader) -> None:
        self._reader = reader
        self._failure: ClientError | None = None
        self._events = self._read(response)

    def __iter__(self) -> Iterator[Event]:
        return self._events

    @property
    def progress(self) -> Progress:
        """What is known so far."""
        return self._reader.progress

    def final(self) -> Reflection:
        """Wait for the end and return the reflection."""
        for _ in self._events:
            pass
        if self._failure is not None:
            raise self._failure
        if self._reader.progress.reflection is None:
            raise self._reader.broken()
        return self._reader.progress.reflection

    def _read(self, response: httpx.Response) -> Iterator[Event]:
        try:
            for message in httpx_sse.EventSource(response).iter_sse():
                event = self._reader.read(message.event, message.data)
                if event is not None:
                    yield event
                if isinstance(event, Completed):
                    return
            raise self._reader.broken()
        except httpx_sse.SSEError as error:
            self._failure = UnreadableReply(f"{response.url} answered with something other than a stream of events.")
            raise self._failure from error
        except httpx.RequestError as error:
            self._failure = self._reader.broken()
            raise self._failure from error
        except ClientError as error:
            self._failure = error
            raise


class Client:
    """Asks one server of The Tear; close it, or use it in a `with`.

    `timeout` is the silence in seconds after which a request is given up. A request is tried again, `max_retries`
    times at most, only where nothing was begun: nobody answered, or the server was busy (429, 503).
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        api_key: str | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT_S,
        max_retries: int = 2,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = parse_url(base_url)
        self._max_retries = max_retries
        self._sleep = sleep
        self._http = httpx.Client(
            base_url=self.url,
            headers=request_headers(api_key),
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT_S)),
            transport=transport,
            # A proxy from the environment cannot know this machine's own addresses.
            trust_env=not is_loopback(self.url),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def reflect(
        self,
        text_or_messages: str | Sequence[Message],
        *,
        model: str | None = None,
        draft: str | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        max_completion_tokens: int | None = None,
        revise_threshold: float | None = None,
    ) -> Reflection:
        """One reflection, whole. What is None the server chooses; `draft` is someone's answer to witness.

        Raises `InvalidRequest` before anything is sent, and a `ClientError` after.
        """
        request = ReflectionRequest(
            messages=to_messages(text_or_messages),
            model=model,
            draft=draft,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            max_completion_tokens=max_completion_tokens,
            revise_threshold=revise_threshold,
        )
        return read_reflection(self.url, self._fetch("POST", _REFLECTIONS, request.body(stream=False)))

    @contextmanager
    def stream(
        self,
        text_or_messages: str | Sequence[Message],
        *,
        model: str | None = None,
        draft: str | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        max_completion_tokens: int | None = None,
        revise_threshold: float | None = None,
    ) -> Iterator[ReflectionStream]:
        """The same as it happens; leaving the `with` early stops the work on the server.

        with client.stream("…") as stream:
            for event in stream:
                ...
            reflection = stream.final()
        """
        request = ReflectionRequest(
            messages=to_messages(text_or_messages),
            model=model,
            draft=draft,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
            max_completion_tokens=max_completion_tokens,
            revise_threshold=revise_threshold,
        )
        response = self._open("POST", _REFLECTIONS, request.body(stream=True))
        try:
            yield ReflectionStream(response, EventReader(self.url))
        finally:
            response.close()

    def models(self) -> tuple[ServedModel, ...]:
        """The models served here; the first is the one that answers when none is named."""
        return read_models(self.url, self._fetch("GET", _MODELS))

    def _fetch(self, method: str, path: str, body: bytes | None = None) -> bytes:
        response = self._open(method, path, body)
        try:
            return response.read()
        except httpx.RequestError as error:
            raise self._broken(error) from error
        finally:
            response.close()

    def _open(self, method: str, path: str, body: bytes | None) -> httpx.Response:
        """An answer of status 2xx with its body still to be read; whoever gets it closes it."""
        for attempt in itertools.count():
            try:
                return self._send(method, path, body)
            except (ServerUnreachable, StatusError) as error:
                wait_s = wait_before_retry(error, attempt)
                if wait_s is None or attempt >= self._max_retries:
                    raise
            # Spread, so that clients which were refused together do not come back together.
            self._sleep(wait_s * (1 + random.random() / 4))  # noqa: S311 - nothing secret
        raise AssertionError("the loop above has no end")

    def _send(self, method: str, path: str, body: bytes | None) -> httpx.Response:
        try:
            response = self._http.send(self._http.build_request(method, path, content=body), stream=True)
            if response.is_success:
                return response
            try:
                refusal = response.read()
            finally:
                response.close()
        except httpx.RequestError as error:
            raise self._broken(error) from error
        raise read_refusal(self.url, response.status_code, response.headers, refusal, now=datetime.now(UTC))

    def _broken(self, error: httpx.RequestError) -> ClientError:
        if isinstance(error, (httpx.TimeoutException, httpx.ConnectError, httpx.ProxyError, httpx.UnsupportedProtocol)):
            return unreachable(self.url, error)
        return EventReader(self.url).broken()
