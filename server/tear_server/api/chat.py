"""`POST /v1/chat/completions`: OpenAI's request and reply; draft and witness in the reasoning channel."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from tear_chain.errors import TearError
from tear_chain.events import Completed, Event
from tear_chain.wire import dump_reflection
from tear_chain.words import Decision, Problem, Reflection, Stage
from tear_server.api.narrator import Narrator
from tear_server.api.problems import error_body
from tear_server.api.schemas import ChatRequest, session_named, to_conversation
from tear_server.api.sse import DONE, EventStream, data, unless_disconnected
from tear_server.api.together import side_by_side
from tear_server.call import admit, name_reply
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
        admit(body.n or 1, param="n")
        session = session_named(body.session_id, request.headers)
        plans = [service.reflector.plan(_to_request(body, service, place, session)) for place in range(body.n or 1)]
        reply = _Reply(service, plans, body, name_reply("chatcmpl-"))
        if body.stream:
            return EventStream(reply.stream())
        whole = await unless_disconnected(request, reply.whole())
        return Response(status_code=GONE) if whole is None else JSONResponse(whole)

    return routes


def _to_request(body: ChatRequest, service: Service, place: int, session: str | None) -> ReflectionRequest:
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
            # One seed for all would draw the same answer again and again.
            seed=None if body.seed is None else (body.seed + place + 2**63) % 2**64 - 2**63,
            frequency_penalty=body.frequency_penalty,
            presence_penalty=body.presence_penalty,
        ),
        max_tokens=body.max_completion_tokens if body.max_completion_tokens is not None else body.max_tokens,
        draft=options.draft,
        bypass=direct or options.mode == "off" or body.reasoning_effort == "none",
        revise_threshold=service.revise_threshold if options.revise_threshold is None else options.revise_threshold,
        stops=body.stops,
        session=session,
    )


class _Reply:
    """One reply, streamed or whole: both are told by the same narrators from the same events."""

    def __init__(self, service: Service, plans: Sequence[Plan], body: ChatRequest, reply_id: str) -> None:
        self._service, self._plans, self._body = service, plans, body
        self._head = {
            "id": reply_id,
            "created": int(time.time()),
            "model": plans[0].request.model,
            "system_fingerprint": service.adapter,
        }

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Role; reasoning and content as they come; finish with the reflection; usage if asked; `[DONE]`."""
        narrators = [Narrator(reflects=plan.reflects) for plan in self._plans]
        reflections: list[Reflection] = []
        for place in range(len(self._plans)):
            yield self._chunk(place, {"role": "assistant", "content": ""})
        try:
            async with aclosing(self._events()) as events:
                async for place, event in events:
                    telling = narrators[place].tell(event)
                    if telling.reasoning and self._body.include_reasoning:
                        delta = {"reasoning": telling.reasoning, "reasoning_content": telling.reasoning}
                        yield self._chunk(place, delta)
                    if telling.content:
                        yield self._chunk(place, {"content": telling.content})
                    if isinstance(event, Completed):
                        reflections.append(event.reflection)
                        # Once only, and in the delta: SDKs add up what repeats and drop what stands beside it.
                        shown, finish = self._shown(event.reflection), _finish_reason(event.reflection)
                        yield self._chunk(place, shown, finish=finish)
            if self._body.stream_options and self._body.stream_options.include_usage:
                chunk = {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": usage(reflections)}
                yield data(chunk)
        except TearError as error:
            yield data(error_body(error))
        yield DONE

    async def whole(self) -> dict[str, Any]:
        """The stream, folded."""
        narrators = [Narrator(reflects=plan.reflects) for plan in self._plans]
        reasonings, contents = [""] * len(self._plans), [""] * len(self._plans)
        found: dict[int, Reflection] = {}
        async with aclosing(self._events()) as events:
            async for place, event in events:
                telling = narrators[place].tell(event)
                reasonings[place] += telling.reasoning
                contents[place] += telling.content
                if isinstance(event, Completed):
                    found[place] = event.reflection
        choices = [
            self._choice(place, contents[place], reasonings[place], found[place]) for place in range(len(self._plans))
        ]
        return {**self._head, "object": "chat.completion", "choices": choices, "usage": usage(list(found.values()))}

    def _events(self) -> AsyncGenerator[tuple[int, Event], None]:
        return side_by_side([self._service.run(plan) for plan in self._plans])

    def _choice(self, place: int, content: str, reasoning: str, reflection: Reflection) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": content, **self._shown(reflection)}
        if reasoning and self._body.include_reasoning:
            message |= {"reasoning": reasoning, "reasoning_content": reasoning}
        return {"index": place, "message": message, "logprobs": None, "finish_reason": _finish_reason(reflection)}

    def _shown(self, reflection: Reflection) -> dict[str, Any]:
        return {"reflection": dump_reflection(reflection)} if self._body.include_reasoning else {}

    def _chunk(self, place: int, delta: dict[str, Any], *, finish: str | None = None) -> bytes:
        choice = {"index": place, "delta": delta, "logprobs": None, "finish_reason": finish}
        return data({**self._head, "object": "chat.completion.chunk", "choices": [choice]})


def usage(reflections: Sequence[Reflection]) -> dict[str, Any]:
    """OpenAI's usage: the conversation counted once, all that was generated, and how much of it was reasoning."""
    first = next(report for report in reflections[0].stages if report.finish != "supplied")
    generated = sum(report.tokens for reflection in reflections for report in reflection.stages)
    return {
        "prompt_tokens": first.prompt_tokens,
        "completion_tokens": generated,
        "total_tokens": first.prompt_tokens + generated,
        "prompt_tokens_details": {"cached_tokens": first.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": generated - sum(map(_answer_tokens, reflections))},
    }


def _answer_tokens(reflection: Reflection) -> int:
    revised = reflection.decision is Decision.REVISE and Problem.EMPTY_REVISION not in reflection.problems
    answer_stage = Stage.REVISED if revised else Stage.DRAFT
    return sum(report.tokens for report in reflection.stages if report.stage is answer_stage)


def _finish_reason(reflection: Reflection) -> str:
    return "length" if reflection.answer_cut else "stop"
