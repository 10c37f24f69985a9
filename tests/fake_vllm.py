"""A vLLM server as 0.32 speaks on the wire, over any `Engine`; it can be cut, refuse and die: for unit tests."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from tear_server.engine import Chunk, Engine, Generation, Sampling

BASE = "tear-nano"
Ill = Literal["cut", "end", "error", "refuse", "abort", "silence"]


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a reply after so many tokens of it."""

    kind: Ill
    after: int = 0


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


@dataclass
class FakeVllm:
    """What the server says; `faults` befall the generations in turn, those that are left over go well."""

    engine: Engine
    adapter: str
    port: int = 0
    parent: str | None = BASE
    context: int = 4096
    faults: list[Fault | None] = field(default_factory=list)
    answers: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    """By path: status, content type and body instead of what is usual."""
    asked: list[Asked] = field(default_factory=list)
    broken: list[Exception] = field(default_factory=list)
    """What the engine raised, which no test expects of it."""
    connections: int = 0
    open_replies: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def generations(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == "POST"]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            try:
                while True:
                    asked = await _read(reader)
                    self.asked.append(asked)
                    await self._reply(asked, reader, writer)
            finally:
                writer.close()
                await writer.wait_closed()

    async def _reply(self, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if asked.path in self.answers:
            _write(writer, *self.answers[asked.path])
        elif asked.path == "/health":
            _write(writer, 200, "text/plain", b"")
        elif asked.path == "/v1/models":
            cards = [
                {"id": BASE, "object": "model", "parent": None, "max_model_len": self.context},
                {"id": self.adapter, "object": "model", "parent": self.parent, "max_model_len": None},
            ]
            _write(writer, 200, "application/json", json.dumps({"object": "list", "data": cards}).encode())
        else:
            # A client that leaves is noticed at once, as vLLM does.
            stream = asyncio.ensure_future(self._stream(asked, writer))
            left = asyncio.ensure_future(reader.read(1))
            self.open_replies += 1
            try:
                await asyncio.wait({stream, left}, return_when=asyncio.FIRST_COMPLETED)
                is_over = not left.done()
            finally:
                for task in (stream, left):
                    task.cancel()
                ended, _ = await asyncio.gather(stream, left, return_exceptions=True)
                self.open_replies -= 1
            if isinstance(ended, Exception) and not isinstance(ended, ConnectionError):
                self.broken.append(ended)
            if not is_over or ended is not None:
                raise ConnectionResetError
        await writer.drain()

    async def _stream(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        fault = self.faults.pop(0) if self.faults else None
        if fault and fault.kind == "refuse":
            _write(writer, 503, "application/json", json.dumps(_error("The queue is full.", 503)).encode())
            return
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n")
        writer.write(b"transfer-encoding: chunked\r\n\r\n")
        generation, written, cached = _generation(asked), 0, 0
        if fault and fault.after == 0:
            await _befall(fault, writer)
            return
        async with aclosing(self.engine.generate(generation)) as chunks:
            async for chunk in chunks:
                _send(writer, _event(chunk, generation))
                await writer.drain()
                written, cached = written + len(chunk.tokens), chunk.cached_tokens
                if fault and written >= fault.after and chunk.finish is None:
                    await _befall(fault, writer)
                    return
        _send(writer, {"choices": [], "usage": {"prompt_tokens_details": {"cached_tokens": cached}}})
        _send(writer, None)


@asynccontextmanager
async def fake_vllm(engine: Engine, adapter: str, **options: Any) -> AsyncIterator[FakeVllm]:
    """Serve `engine` on a free port."""
    fake = FakeVllm(engine, adapter, **options)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(fake.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
        assert fake.broken == []
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Asked:
    head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    method, path, _ = head.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines) if name}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(method, path, headers, json.loads(body or b"{}"))


def _write(writer: asyncio.StreamWriter, status: int, kind: str, body: bytes) -> None:
    head = f"HTTP/1.1 {status} Status\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)


def _send(writer: asyncio.StreamWriter, event: dict[str, Any] | None) -> None:
    """One event; None is the last one, and the end of the reply."""
    data = b"data: " + (b"[DONE]" if event is None else json.dumps(event).encode()) + b"\n\n"
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n" + (b"0\r\n\r\n" if event is None else b""))


async def _befall(fault: Fault, writer: asyncio.StreamWriter) -> None:
    match fault.kind:
        case "cut":
            writer.transport.abort()
        case "silence":
            await asyncio.Event().wait()
        case "error":
            _send(writer, _error("EngineCore encountered an issue.", 500))
        case "abort":
            # What vLLM 0.32 was seen to end a stream with on SIGTERM.
            _send(writer, {"choices": [{"index": 0, "text": "", "token_ids": [2], "finish_reason": "abort"}]})
    _send(writer, None)


def _error(message: str, code: int) -> dict[str, Any]:
    return {"error": {"message": message, "type": "Error", "param": None, "code": code}}


def _generation(asked: Asked) -> Generation:
    body = asked.body
    return Generation(
        id=asked.headers["x-request-id"],
        prompt=tuple(body["prompt"]),
        max_tokens=body["max_tokens"],
        stop_ids=frozenset(body["stop_token_ids"]),
        sampling=Sampling(**{name: body[name] for name in Sampling.__slots__}),
        adapter=None if body["model"] == BASE else body["model"],
        watch=tuple(body.get("logprob_token_ids", ())),
        min_tokens=body["min_tokens"],
    )


def _event(chunk: Chunk, generation: Generation) -> dict[str, Any]:
    logprobs = None
    if generation.watch:
        logprobs = {
            "tokens": [f"token_id:{token}" for token in chunk.tokens],
            "top_logprobs": [
                {f"token_id:{token}": None if math.isnan(value) else value for token, value in found.items()}
                for found in ({drawn: -0.5, **at} for drawn, at in zip(chunk.tokens, chunk.watched, strict=True))
            ],
        }
    choice = {
        "index": 0,
        "text": "…",
        "logprobs": logprobs,
        "finish_reason": chunk.finish,
        "token_ids": list(chunk.tokens),
    }
    return {"id": "cmpl-1", "object": "text_completion", "choices": [choice]}
