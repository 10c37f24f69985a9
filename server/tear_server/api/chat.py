"""`POST /v1/chat/completions`: OpenAI's request and reply; draft and witness in the reasoning channel."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from tear_chain.errors import TearError
from tear_chain.events import Completed
from tear_chain.wire import dump_reflection
from tear_chain.words import Decision, Problem, Reflection, Stage
from tear_server.api.narrator import Narrator
from tear_server.api.problems import error_body
from tear_server.api.schemas import ChatRequest, to_conversation
from tear_server.api.sse import DONE, EventStream, data, unless_disconnected
from tear_server.reflection import Plan, ReflectionRequest
from tear_server.service import Service

GONE = 499
"""nginx's status for a client that left; nobody reads it."""


def chat_routes(service: Service) -> APIRouter:
    """The route, for one service."""
    routes = APIRouter(tags=["OpenAI"])

    @routes.post("/v1/chat/completions", response_model=None)
    async def create_chat_completion(body: ChatRequest, request: Request) -> Response:
        """Answer a conversation; the chain shows as `reasoning`, and whole as `reflection`."""
        plan = service.reflector.plan(_to_request(body, service))
        reply = _Reply(service, plan, body, request.headers.get("x-request-id"))
        if body.stream:
            return EventStream(reply.stream(), headers=reply.headers)
        whole = await unless_disconnected(request, reply.whole())
        return Response(status_code=GONE) if whole is None else JSONResponse(whole, headers=reply.headers)

    return routes


def _to_request(body: ChatRequest, service: Service) -> ReflectionRequest:
    body.refuse_unsupported()
    model = body.model if body.model is not None else service.model
    direct = service.is_direct(model)
    options = body.reflection
    return ReflectionRequest(
        id=f"refl-{uuid.uuid4().hex}",
        model=model,
        conversation=to_conversation(body.messages),
        sampling=service.sampling.asked(
            temperature=body.temperature,
            top_p=body.top_p,
            seed=body.seed,
            frequency_penalty=body.frequency_penalty,
            presence_penalty=body.presence_penalty,
        ),
        max_tokens=body.max_completion_tokens if body.max_completion_tokens is not None else body.max_tokens,
        draft=options.draft,
        bypass=direct or options.mode == "off" or body.reasoning_effort == "none",
        revise_threshold=service.revise_threshold if options.revise_threshold is None else options.revise_threshold,
        stops=body.stops,
    )


class _Reply:
    """One reply, streamed or whole: both are told by the same narrator from the same events."""

    def __init__(self, service: Service, plan: Plan, body: ChatRequest, request_id: str | None) -> None:
        self._service, self._plan, self._body = service, plan, body
        request_id = request_id or uuid.uuid4().hex
        self.headers = {"x-request-id": request_id}
        self._head = {
            "id": f"chatcmpl-{request_id}",
            "created": int(time.time()),
            "model": plan.request.model,
            "system_fingerprint": service.adapter,
        }

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Role; reasoning and content as they come; finish with the reflection; usage if asked; `[DONE]`."""
        narrator = Narrator(reflects=self._plan.reflects)
        yield self._chunk({"role": "assistant", "content": ""})
        try:
            async with aclosing(self._service.run(self._plan)) as events:
                async for event in events:
                    telling = narrator.tell(event)
                    if telling.reasoning and self._body.include_reasoning:
                        yield self._chunk({"reasoning": telling.reasoning, "reasoning_content": telling.reasoning})
                    if telling.content:
                        yield self._chunk({"content": telling.content})
                    if isinstance(event, Completed):
                        reflection = event.reflection
                        # Once only, and in the delta: SDKs add up what repeats and drop what stands beside it.
                        yield self._chunk(self._shown(reflection), finish=_finish_reason(reflection))
                        if self._body.stream_options and self._body.stream_options.include_usage:
                            yield data(
                                {
                                    **self._head,
                                    "object": "chat.completion.chunk",
                                    "choices": [],
                                    "usage": usage(reflection),
                                }
                            )
        except TearError as error:
            yield data(error_body(error))
        yield DONE

    async def whole(self) -> dict[str, Any]:
        """The stream, folded."""
        narrator = Narrator(reflects=self._plan.reflects)
        reasoning, content, reflection = "", "", None
        async with aclosing(self._service.run(self._plan)) as events:
            async for event in events:
                telling = narrator.tell(event)
                reasoning += telling.reasoning
                content += telling.content
                if isinstance(event, Completed):
                    reflection = event.reflection
        assert reflection is not None, "a chain that does not raise ends with Completed"
        message: dict[str, Any] = {"role": "assistant", "content": content, **self._shown(reflection)}
        if reasoning and self._body.include_reasoning:
            message |= {"reasoning": reasoning, "reasoning_content": reasoning}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(reflection)}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": usage(reflection)}

    def _shown(self, reflection: Reflection) -> dict[str, Any]:
        return {"reflection": dump_reflection(reflection)} if self._body.include_reasoning else {}

    def _chunk(self, delta: dict[str, Any], *, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return data({**self._head, "object": "chat.completion.chunk", "choices": [choice]})


def usage(reflection: Reflection) -> dict[str, Any]:
    """OpenAI's usage: the conversation counted once, all that was generated, and how much of it was reasoning."""
    first = next(report for report in reflection.stages if report.finish != "supplied")
    generated = sum(report.tokens for report in reflection.stages)
    revised = reflection.decision is Decision.REVISE and Problem.EMPTY_REVISION not in reflection.problems
    answer_stage = Stage.REVISED if revised else Stage.DRAFT
    answered = sum(report.tokens for report in reflection.stages if report.stage is answer_stage)
    return {
        "prompt_tokens": first.prompt_tokens,
        "completion_tokens": generated,
        "total_tokens": first.prompt_tokens + generated,
        "prompt_tokens_details": {"cached_tokens": first.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": generated - answered},
    }


def _finish_reason(reflection: Reflection) -> str:
    return "length" if reflection.answer_cut else "stop"
