"""How the server's words are read, events and refusals: the protocol without the I/O."""

from __future__ import annotations

import email.utils
import math
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeVar

import httpx
import httpx_sse
from pydantic import BaseModel, ConfigDict, ValidationError

from tear_chain.events import Event, Failed
from tear_chain.wire import load_event
from tear_chain.words import Reflection, Stage
from tear_client.calls import Call
from tear_client.errors import (
    ClientError,
    ReflectionFailed,
    ServerUnreachable,
    StatusError,
    StreamBroken,
    UnreadableReply,
    refusal_class,
)
from tear_client.progress import Progress

RETRY_STATUSES = frozenset({429, 503})
"""What may be tried again where the server does not say so itself: nothing was begun."""

_UNAVAILABLE = 503

T = TypeVar("T")


class _Refusal(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    message: str
    code: str | None = None
    param: str | None = None


class _RefusalBody(BaseModel):
    error: _Refusal


class EventReader:
    """Turns the stream's named messages into events, and knows whether it ended well."""

    def __init__(self, url: httpx.URL, request_id: str | None = None) -> None:
        self._url = url
        self._failure: ClientError | None = None
        self.request_id = request_id
        self.progress = Progress()

    @property
    def is_done(self) -> bool:
        """Whether the reflection is whole."""
        return self.progress.reflection is not None

    def read(self, name: str, data: str) -> Event | None:
        """The event, or None for one of a newer server; raise `ReflectionFailed` where it says so."""
        try:
            event = load_event(name, data)
        except ValueError as error:
            raise UnreadableReply(f"{self._url} sent a {name} event that cannot be read.") from error
        if event is None:
            return None
        if isinstance(event, Failed):
            raise ReflectionFailed(event.message, code=event.code, partial=self.progress, request_id=self.request_id)
        self.progress.take(event)
        return event

    def failed(self, error: ClientError | httpx.RequestError | httpx_sse.SSEError) -> ClientError:
        """The error that reading ended with, under the name it has for callers; `result` raises it, too."""
        if isinstance(error, ClientError):
            self._failure = error
        elif isinstance(error, httpx_sse.SSEError):
            self._failure = UnreadableReply(f"{self._url} answered with something other than a stream of events.")
        else:
            self._failure = self.broken()
        return self._failure

    def result(self) -> Reflection:
        """The whole reflection, or what went wrong."""
        if self._failure is not None:
            raise self._failure
        if self.progress.reflection is None:
            raise self.broken()
        return self.progress.reflection

    def broken(self) -> StreamBroken:
        """The error of a stream that ended before `Completed`."""
        match self.progress.stage:
            case Stage.DRAFT:
                place = "while the draft was written"
            case Stage.WITNESS:
                place = "while the draft was witnessed"
            case Stage.REVISED:
                place = "while the answer was revised"
            case None:
                place = "before the answer was whole"
        kept = "nothing had come yet" if self.progress.is_empty else "what had come until then was kept"
        message = f"The connection to {self._url} broke off {place}; {kept}."
        return StreamBroken(message, partial=self.progress, request_id=self.request_id)


def read_reply(url: httpx.URL, call: Call[T], body: bytes) -> T:
    """What the server answered to a call; raise `UnreadableReply` where that is something else."""
    try:
        return call.read(body)
    except ValueError as error:
        raise UnreadableReply(f"{url} answered with something other than {call.what}.") from error


def is_answer(call: Call[T], status: int) -> bool:
    """Whether a reply of that status answers the call; any other is a refusal."""
    return httpx.codes.is_success(status) or (call.is_probe and status == _UNAVAILABLE)


def read_refusal(url: httpx.URL, response: httpx.Response, body: bytes, *, now: datetime) -> StatusError:
    """The error that a refused request carries, in OpenAI's shape or any other."""
    said, status, headers = _said(body), response.status_code, response.headers
    phrase = httpx.codes.get_reason_phrase(status)
    stranger = f"{url} answered {status} {phrase}".strip() + ". Look at what runs there, or give another address."
    code = None if said is None else said.code
    return refusal_class(status, code)(
        stranger if said is None else said.message,
        status=status,
        code=code,
        param=None if said is None else said.param,
        retryable=_is_retryable(status, headers),
        retry_after_s=_retry_after_s(headers, now),
        request_id=headers.get("x-request-id"),
    )


def not_answered(url: httpx.URL, error: httpx.RequestError) -> ClientError:
    """The error of a request that got no answer, or not all of it."""
    if isinstance(error, (httpx.TimeoutException, httpx.ConnectError, httpx.ProxyError, httpx.UnsupportedProtocol)):
        return _unreachable(url, error)
    return EventReader(url).broken()


def _unreachable(url: httpx.URL, error: httpx.RequestError) -> ServerUnreachable:
    if isinstance(error, (httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout)):
        hint = "Look at its log, or allow a longer timeout."
        return ServerUnreachable(f"{url} took the request and did not answer in time.", hint=hint)
    if (reason := _certificate_problem(error)) is not None:
        hint = "Check the address, or trust its authority."
        return ServerUnreachable(f"The certificate of {url} was not accepted ({reason}).", hint=hint)
    hint = "Start one with make serve, or give --url."
    return ServerUnreachable(f"No server at {url}.", hint=hint, retryable=True)


def _said(body: bytes) -> _Refusal | None:
    try:
        return _RefusalBody.model_validate_json(body).error
    except ValidationError:
        return None


def _is_retryable(status: int, headers: Mapping[str, str]) -> bool:
    match headers.get("x-should-retry", "").lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            return status in RETRY_STATUSES


def _retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    after = headers.get("retry-after", "")
    if (seconds := _number(after)) is not None:
        return seconds
    try:
        date = email.utils.parsedate_to_datetime(after)
    except ValueError:
        return None
    return max((date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds(), 0.0)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _certificate_problem(error: BaseException) -> str | None:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        cause = cause.__cause__ or cause.__context__
    return None
