"""Asking an OpenAI-compatible endpoint, through the cache."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import openai
from openai.types.chat import ChatCompletion
from pydantic import BaseModel, SecretStr

from tear_chain.errors import InvalidRequest, TearError
from tear_training.expand.cache import Reply, ReplyCache, Request
from tear_training.expand.shapes import response_format

MAX_RETRIES = 6
"""The SDK waits between them, from half a second doubling to eight, or as long as Retry-After says."""
TIMEOUT_S = 600.0

_NO_COMPLETION = "the endpoint answered, but not with a chat completion"


class EndpointFailed(TearError):
    """An endpoint cannot be used, or stopped answering."""

    code = "endpoint_failed"
    retryable = True
    hint = "What was answered is kept: run the same command again to go on."


class Unanswered(Exception):
    """One request got no usable reply, retries included; the message says why. Another one may fare better."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model at an OpenAI-compatible address; what is None, the SDK takes from OPENAI_BASE_URL and OPENAI_API_KEY."""

    model: str
    base_url: str | None = None
    api_key: SecretStr | None = None


@dataclass(slots=True)
class Traffic:
    """How many replies came from where."""

    asked: int = 0
    cached: int = 0


class Asker:
    """A model that can be asked."""

    def __init__(self, model: str, client: openai.AsyncOpenAI, *, cache: ReplyCache, traffic: Traffic) -> None:
        self.model = model
        self._client = client
        self._cache = cache
        self._traffic = traffic
        self._takes_schema = True

    @property
    def address(self) -> str:
        """Where requests go, in one spelling."""
        return str(self._client.base_url).rstrip("/")

    async def ask(self, request: Request, *, shape: type[BaseModel]) -> Reply:
        """The reply to `request`, asked for as JSON of `shape`.

        `Unanswered` when this request failed, `EndpointFailed` when every other one would too.
        """
        found = self._cache.find(request)
        if found is not None:
            self._traffic.cached += 1
            return found
        reply = _reply_of(await self._complete(request, shape))
        self._cache.keep(request, reply)
        self._traffic.asked += 1
        return reply

    async def _complete(self, request: Request, shape: type[BaseModel]) -> object:
        if not self._takes_schema:
            return await self._post(request, openai.omit)
        try:
            return await self._post(request, response_format(shape))
        except _NoSchema:
            # The Tear's own server is one that refuses it. The prompt describes the JSON as well.
            self._takes_schema = False
            return await self._post(request, openai.omit)

    async def _post(self, request: Request, format_: Any) -> object:
        sampling = request.sampling
        messages: list[Any] = [{"role": message.role, "content": message.content} for message in request.messages]
        try:
            return await self._client.chat.completions.create(
                model=request.model,
                messages=messages,
                seed=sampling.seed,
                temperature=_given(sampling.temperature),
                top_p=_given(sampling.top_p),
                max_completion_tokens=_given(sampling.max_tokens),
                response_format=format_,
            )
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as exc:
            raise EndpointFailed(f"{self.model}: the endpoint refused ({exc.status_code}): {exc.message}") from exc
        except openai.APIStatusError as exc:
            if format_ is not openai.omit and _blames_format(exc):
                raise _NoSchema from exc
            raise Unanswered(f"{self.model}: status {exc.status_code}: {exc.message}") from exc
        except openai.APIError as exc:
            raise Unanswered(f"{self.model}: {exc.message}") from exc
        except (json.JSONDecodeError, UnicodeDecodeError) as exc:
            # The SDK lets these through where a server says that its page is JSON.
            raise Unanswered(f"{self.model}: {_NO_COMPLETION}") from exc


@asynccontextmanager
async def opened(endpoint: Endpoint, *, cache: ReplyCache, traffic: Traffic) -> AsyncIterator[Asker]:
    """The endpoint, ready to be asked; `InvalidRequest` when the SDK finds no key for it."""
    try:
        client = openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key.get_secret_value() if endpoint.api_key else None,
            max_retries=MAX_RETRIES,
            timeout=TIMEOUT_S,
        )
    except openai.OpenAIError as exc:
        raise InvalidRequest(
            f"There is no API key for {endpoint.model}: give one or set OPENAI_API_KEY, to any word where the endpoint "
            "wants none.",
            param="api_key",
        ) from exc
    async with client:
        yield Asker(endpoint.model, client, cache=cache, traffic=traffic)


class _NoSchema(Exception):
    """The endpoint does not take `response_format`."""


def _blames_format(exc: openai.APIStatusError) -> bool:
    return exc.status_code in (400, 422) and (exc.param == "response_format" or "response_format" in str(exc.body))


def _reply_of(completion: object) -> Reply:
    # A server that answers 200 with a page or an error object gets as far as here.
    if not isinstance(completion, ChatCompletion) or not completion.choices or completion.choices[0].message is None:
        raise Unanswered(_NO_COMPLETION)
    choice = completion.choices[0]
    return Reply(
        model=_sayable(completion.model),
        text=_sayable(choice.message.content),
        finish_reason=_sayable(choice.finish_reason),
        refusal=_sayable(choice.message.refusal) or None,
    )


def _sayable(text: str | None) -> str:
    """The text without half characters, which JSON can escape and no file can hold."""
    return (text or "").encode("utf-8", "replace").decode()


def _given(value: Any) -> Any:
    return openai.omit if value is None else value
