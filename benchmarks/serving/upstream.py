"""An OpenAI server without a model: every answer is the same 32 tokens, at once. What a proxy adds shows against it.

python -m serving.upstream PORT
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from serving.answer import WORDS
from serving.contestants import MODEL

HEAD = {"id": "chatcmpl-constant", "created": 1_700_000_000, "model": MODEL}
USAGE = {"prompt_tokens": 32, "completion_tokens": len(WORDS), "total_tokens": 32 + len(WORDS)}


def build_upstream() -> Starlette:
    """The application."""
    routes = [Route("/v1/chat/completions", complete, methods=["POST"]), Route("/health", health)]
    return Starlette(routes=routes)


async def complete(request: Request) -> Response:
    body = await request.json()
    if body.get("stream"):
        return StreamingResponse(_stream(), media_type="text/event-stream")
    message = {"role": "assistant", "content": "".join(WORDS)}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return JSONResponse({**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE})


async def health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _stream() -> AsyncIterator[bytes]:
    yield _chunk({"role": "assistant", "content": ""})
    for word in WORDS:
        yield _chunk({"content": word})
        await asyncio.sleep(0)
    yield _chunk({}, finish="stop")
    yield _data({**HEAD, "object": "chat.completion.chunk", "choices": [], "usage": USAGE})
    yield b"data: [DONE]\n\n"


def _chunk(delta: dict[str, Any], *, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _data({**HEAD, "object": "chat.completion.chunk", "choices": [choice]})


def _data(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


if __name__ == "__main__":
    uvicorn.run(build_upstream(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
