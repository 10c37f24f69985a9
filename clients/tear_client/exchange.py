"""What is said to the server and how its words are read: all of the protocol but the I/O."""

from __future__ import annotations

import email.utils
import ipaddress
import json
import math
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from tear_chain.conversation import Conversation, Message
from tear_chain.errors import InvalidRequest
from tear_chain.events import Event, Failed
from tear_chain.wire import load_event, load_reflection
from tear_chain.words import Reflection, Stage
from tear_client.errors import ReflectionFailed, ServerUnreachable, StatusError, StreamBroken, UnreadableReply
from tear_client.progress import Progress

DIRECT_SUFFIX = "-direct"
"""Ends the name under which a model answers without reflection."""

RETRY_STATUSES = frozenset({429, 503})
LONGEST_WAIT_S = 30.0
"""A server that asks for a longer pause gets no retry; the caller is told instead."""

_FIRST_WAIT_S = 0.25


class ServedModel(BaseModel):
    """One model that the server offers."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: str
    created: int = 0
    owned_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflectionRequest:
    """One request for a reflection; None leaves a choice to the server."""

    messages: tuple[Message, ...]
    model: str | None = None
    draft: str | None = None
    """Someone's answer to witness; the chain starts from it instead of drafting one."""
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    max_completion_tokens: int | None = None
    """Limit on all that is generated, draft and witness included."""
    revise_threshold: float | None = None
    """Revise from this probability on, whatever the model itself would choose."""

    def body(self, *, stream: bool) -> bytes:
        """The request's JSON; raise `InvalidRequest` for what JSON cannot carry."""
        fields: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": message.role.value, "content": message.text} for message in self.messages],
            "draft": self.draft,
            "stream": stream or None,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "seed": self.seed,
            "max_completion_tokens": self.max_completion_tokens,
            "revise_threshold": self.revise_threshold,
        }
        members = [_member(name, value) for name, value in fields.items() if value is not None]
        return b"{" + b", ".join(members) + b"}"


class _ModelList(BaseModel):
    data: list[ServedModel]


class _Refusal(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    message: str
    code: str | None = None
    param: str | None = None


class _RefusalBody(BaseModel):
    error: _Refusal


class EventReader:
    """Turns the stream's named messages into events, and knows whether it ended well."""

    def __init__(self, url: httpx.URL) -> None:
        self._url = url
        self.progress = Progress()

    def read(self, name: str, data: str) -> Event | None:
        """The event, or None for one of a newer server; raise `ReflectionFailed` where it says so."""
        try:
            event = load_event(name, data)
        except ValueError as error:
            raise UnreadableReply(f"{self._url} sent a {name} event that cannot be read.") from error
        if event is None:
            return None
        if isinstance(event, Failed):
            raise ReflectionFailed(event.message, code=event.code, kept=self.progress)
        self.progress.take(event)
        return event

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
        return StreamBroken(f"The connection to {self._url} broke off {place}; {kept}.", kept=self.progress)


def parse_url(text: str) -> httpx.URL:
    """The server's address; `host:8000/` and `…/v1` are understood. Raise `InvalidRequest` for anything else."""
    wrong = InvalidRequest(f"{text!r} is not a server's address. Give one like http://127.0.0.1:8000.", param="url")
    given = text.strip()
    try:
        url = httpx.URL(given if "://" in given else f"http://{given}")
    except httpx.InvalidURL as error:
        raise wrong from error
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise wrong
    return url.copy_with(path=url.path.rstrip("/").removesuffix("/v1"))


def is_direct(model: str) -> bool:
    """Whether a model of that name answers without reflection."""
    return model.endswith(DIRECT_SUFFIX)


def is_loopback(url: httpx.URL) -> bool:
    """Whether the address is this machine's own."""
    if url.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return False


def request_headers(api_key: str | None) -> Mapping[str, str]:
    """The headers of every request; raise `InvalidRequest` for a key that no header can carry."""
    headers = {"Content-Type": "application/json"}
    if api_key:
        if not (api_key.isascii() and api_key.isprintable()):
            raise InvalidRequest("The API key has characters that no key has. Copy it again.", param="api_key")
        headers["Authorization"] = f"Bearer {api_key}"
    return headers


def to_messages(text_or_messages: str | Sequence[Message]) -> tuple[Message, ...]:
    """The turns of a conversation, checked; a text alone is one person speaking once."""
    if isinstance(text_or_messages, str):
        return Conversation.asking(text_or_messages).messages
    return Conversation.of(text_or_messages).messages


def read_reflection(url: httpx.URL, body: bytes) -> Reflection:
    """The reflection in a plain reply."""
    try:
        return load_reflection(body)
    except ValidationError as error:
        raise UnreadableReply(f"{url} answered with something other than a reflection.") from error


def read_models(url: httpx.URL, body: bytes) -> tuple[ServedModel, ...]:
    """The models in a reply of `GET /v1/models`."""
    try:
        return tuple(_ModelList.model_validate_json(body).data)
    except ValidationError as error:
        raise UnreadableReply(f"{url} answered with something other than a list of models.") from error


def read_refusal(url: httpx.URL, status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> StatusError:
    """The error that a refused request carries, in OpenAI's shape or any other."""
    said = _said(body)
    phrase = httpx.codes.get_reason_phrase(status)
    stranger = f"{url} answered {status} {phrase}".strip() + ". Look at what runs there, or give another address."
    return StatusError(
        stranger if said is None else said.message,
        status=status,
        code=None if said is None else said.code,
        param=None if said is None else said.param,
        retryable=status in RETRY_STATUSES and headers.get("x-should-retry", "").lower() != "false",
        retry_after_s=_retry_after_s(headers, now),
    )


def unreachable(url: httpx.URL, error: httpx.RequestError) -> ServerUnreachable:
    """The error of a request that nobody answered."""
    if isinstance(error, (httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout)):
        hint = "Look at its log, or allow a longer timeout."
        return ServerUnreachable(f"{url} took the request and did not answer in time.", hint=hint)
    if (reason := _certificate_problem(error)) is not None:
        hint = "Check the address, or trust its authority."
        return ServerUnreachable(f"The certificate of {url} was not accepted ({reason}).", hint=hint)
    hint = "Start one with make serve, or give --url."
    return ServerUnreachable(f"No server at {url}.", hint=hint, retryable=True)


def wait_before_retry(error: ServerUnreachable | StatusError, attempt: int) -> float | None:
    """Seconds to wait before trying again, or None when it is of no use; `attempt` counts from 0."""
    if not error.retryable:
        return None
    if isinstance(error, StatusError) and error.retry_after_s is not None:
        return error.retry_after_s if error.retry_after_s <= LONGEST_WAIT_S else None
    return min(_FIRST_WAIT_S * 2.0**attempt, LONGEST_WAIT_S)


def _said(body: bytes) -> _Refusal | None:
    try:
        return _RefusalBody.model_validate_json(body).error
    except ValidationError:
        return None


def _member(name: str, value: Any) -> bytes:
    try:
        return f'"{name}": {json.dumps(value, ensure_ascii=False, allow_nan=False)}'.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{name} is not valid Unicode text. Send it as UTF-8.", param=name) from error
    except ValueError as error:
        raise InvalidRequest(f"{name} is {value}, expected an ordinary number.", param=name) from error


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
