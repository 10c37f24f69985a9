"""vLLM somewhere else: an engine over `/v1/completions`, of one server or of any router in front of many."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

import httpx
from httpx_sse import SSEError, aconnect_sse
from pydantic import BaseModel, ValidationError

from tear_chain.errors import EngineError, EngineUnreachable
from tear_server.completions import Failure, Models, Reply, request_body
from tear_server.engine import AdapterFiles, Chunk, Generation

HEALTH_TIMEOUT_S = 3.0
PAUSES_S = (0.1, 1.5)
"""Before going on with what was interrupted; one for each time. A vLLM whose core has died answers 500 for about a
second before it ends and a router turns to another: the longer pause outlasts that."""
DONE = "[DONE]"
Told = TypeVar("Told", bound=BaseModel)
_log = logging.getLogger("tear.engine")


@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """Where vLLM is, and how long to wait for it."""

    url: str
    """Of a vLLM server or a router, with or without `/v1`."""
    key: str | None = field(default=None, repr=False)
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 120.0
    """The longest silence within a generation, the wait in vLLM's queue included."""
    pauses_s: tuple[float, ...] = PAUSES_S


@asynccontextmanager
async def remote_engine(
    options: RemoteOptions, adapter: AdapterFiles, *, name: str, context: int, on_retry: Callable[[], None]
) -> AsyncIterator[RemoteEngine]:
    """The engine at an address, once it is seen to serve `adapter` on the base `name` in a window of `context` tokens.

    Raises `EngineUnreachable` if nothing answers, `EngineError` saying what vLLM must be started with otherwise.
    """
    url = options.url.rstrip("/").removesuffix("/v1")
    async with httpx.AsyncClient(
        base_url=url,
        headers={} if options.key is None else {"authorization": f"Bearer {options.key}"},
        timeout=httpx.Timeout(options.read_timeout_s, connect=options.connect_timeout_s, pool=None),
        limits=httpx.Limits(max_connections=None),  # how much is worked on at once is the server's to say
    ) as client:
        engine = RemoteEngine(client, url=url, options=options, on_retry=on_retry)
        await engine.find_base(adapter, name=name, context=context)
        yield engine


class RemoteEngine:
    """The `Engine` over HTTP. What is interrupted goes on from where it stood, elsewhere if a router knows a place."""

    def __init__(
        self, client: httpx.AsyncClient, *, url: str, options: RemoteOptions, on_retry: Callable[[], None]
    ) -> None:
        self._client = client
        self._url = url
        self._options = options
        self._on_retry = on_retry
        self._base: str | None = None

    async def find_base(self, adapter: AdapterFiles, *, name: str, context: int) -> None:
        """Learn what the base is called there; raise `EngineError` if it is not served as it must be."""
        try:
            reply = await self._client.get("/v1/models")
        except httpx.RequestError as exc:
            raise EngineUnreachable(self._no_answer(exc)) from exc
        if not reply.is_success:
            raise EngineError(f"{self._url}/v1/models answers {_explain(reply)}")
        models = {model.id: model for model in self._read(Models, reply.content).data}
        if adapter.name not in models:
            raise EngineError(
                f"{self._url} serves {', '.join(models) or 'nothing'}, not {adapter.name}. Start vLLM there with "
                f"--enable-lora --lora-modules {adapter.name}={adapter.folder} --max-lora-rank {adapter.rank}."
            )
        base = models.get(models[adapter.name].parent or name)
        if base is None:
            raise EngineError(
                f"{self._url} does not tell the base's name. Start vLLM there as --served-model-name {name}."
            )
        if base.max_model_len is not None and base.max_model_len < context:
            raise EngineError(
                f"{self._url} has a window of {base.max_model_len} tokens, and {context} are to be served. Start vLLM "
                f"there with --max-model-len {context}, or this server with --context {base.max_model_len}."
            )
        self._base = base.id

    async def generate(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
        """Stream one generation; closing the iterator closes the connection, and so aborts the work.

        A token depends on those before it alone: prompt and what has come, given as a prompt, go on as if nothing had
        happened. Only the draws of a seed and the count of penalties begin anew there.
        """
        tokens: list[int] = []
        rest, times = generation, 0
        while True:
            try:
                async with aclosing(self._ask(rest)) as chunks:
                    async for chunk in chunks:
                        tokens += chunk.tokens
                        yield replace(chunk, cached_tokens=min(chunk.cached_tokens, len(generation.prompt)))
                return
            except _Interrupted as why:
                if times == len(self._options.pauses_s):
                    raise EngineUnreachable(f"A generation was given up after {len(tokens)} tokens. {why}") from why
                _log.warning("%s is asked for once more after %d tokens. %s", generation.id, len(tokens), why)
            self._on_retry()
            await asyncio.sleep(self._options.pauses_s[times])
            times += 1
            rest = replace(
                generation,
                id=f"{generation.id}-{times}",  # the one before may still be in vLLM's hands
                prompt=(*generation.prompt, *tokens),
                max_tokens=generation.max_tokens - len(tokens),
                min_tokens=max(0, generation.min_tokens - len(tokens)),
            )

    async def health(self) -> None:
        """Ask for `/health`; `EngineUnreachable` if nobody there says soon that all is well."""
        try:
            reply = await self._client.get("/health", timeout=HEALTH_TIMEOUT_S)
        except httpx.RequestError as exc:
            raise EngineUnreachable(self._no_answer(exc)) from exc
        if not reply.is_success:
            raise EngineUnreachable(f"{self._url}/health answers {_explain(reply)}")

    async def _ask(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
        """One request; `_Interrupted` if it ends before the generation does.

        The last chunk waits for the reply's end: only there vLLM tells what it had cached, and only a connection that
        is read to its end is used again.
        """
        body = request_body(generation, model=generation.adapter or self._base or "")
        headers = {"x-request-id": generation.id, **(generation.trace or {})}
        if generation.session is not None:
            headers["x-session-id"] = generation.session
        last: Chunk | None = None
        try:
            async with aconnect_sse(self._client, "POST", "/v1/completions", json=body, headers=headers) as source:
                await self._check(source.response)
                async with aclosing(source.aiter_sse()) as events:
                    async for event in events:
                        if event.data == DONE:
                            continue
                        reply = self._read(Reply, event.data)
                        if reply.error is not None:
                            raise _failure(reply.error)
                        for choice in reply.choices:
                            if choice.is_broken_off:
                                raise _Interrupted(f"vLLM ended it for the reason {choice.finish_reason}.")
                            chunk = choice.as_chunk(generation.watch)
                            if chunk.finish is None:
                                yield chunk
                            else:
                                last = chunk
                        if last is not None:
                            last = replace(last, cached_tokens=reply.cached_tokens)
        except httpx.ReadTimeout as exc:
            # Nobody else is asked: that would add to what those engines already cannot do in time.
            raise EngineUnreachable(f"{self._url} was silent for {self._options.read_timeout_s:g} seconds.") from exc
        except httpx.RequestError as exc:
            if last is None:
                raise _Interrupted(self._no_answer(exc)) from exc
        except SSEError as exc:
            raise self._unlike_vllm(str(exc)) from exc
        if last is None:
            raise _Interrupted(f"{self._url} ended its reply too soon.")
        yield last

    async def _check(self, reply: httpx.Response) -> None:
        if reply.is_success:
            return
        await reply.aread()
        if reply.is_server_error:
            raise _Interrupted(f"{self._url} answers {_explain(reply)}")
        raise EngineError(f"{self._url} refuses the request with {_explain(reply)}")

    def _read(self, kind: type[Told], content: str | bytes) -> Told:
        try:
            return kind.model_validate_json(content)
        except ValidationError as exc:
            first = exc.errors()[0]
            raise self._unlike_vllm(f"{'.'.join(map(str, first['loc'])) or 'the body'}: {first['msg']}") from exc

    def _unlike_vllm(self, what: str) -> EngineError:
        return EngineError(f"{self._url} does not answer as vLLM 0.32 does ({what}).")

    def _no_answer(self, exc: httpx.RequestError) -> str:
        return f"{self._url} does not answer ({str(exc) or type(exc).__name__})."


class _Interrupted(Exception):
    """A request ended before its generation; the rest can be asked for."""


def _failure(error: Failure | str) -> Exception:
    """What an error within a stream means; vLLM reports there what went wrong after it had said 200."""
    if isinstance(error, Failure) and isinstance(error.code, int) and error.code < 500:
        return EngineError(f"vLLM refuses the request: {error.message}")
    return _Interrupted(f"vLLM failed: {error if isinstance(error, str) else error.message}")


def _explain(reply: httpx.Response) -> str:
    """Status, and the message if there is one."""
    try:
        error = Reply.model_validate_json(reply.content).error
    except ValidationError:
        error = None
    told = error.message if isinstance(error, Failure) else error or reply.reason_phrase
    return f"{reply.status_code}: {told.rstrip('.')}."
