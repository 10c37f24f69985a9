"""`POST /v1/chat/completions`: OpenAI's request and reply; draft and witness in the reasoning channel."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from tear_chain.errors import RequestError
from tear_chain.events import Completed, Event, ScoredToken
from tear_chain.words import Reflection
from tear_server.api.exposure import dump_shown
from tear_server.api.logprobs import chat_logprobs
from tear_server.api.narrator import Narrator
from tear_server.api.problems import error_body, to_named
from tear_server.api.running_usage import RunningUsage
from tear_server.api.schemas import ChatRequest, session_named, to_conversation
from tear_server.api.serving import Serving
from tear_server.api.sse import DONE, EventStream, data, unless_disconnected
from tear_server.api.together import side_by_side
from tear_server.budget import Caps
from tear_server.call import admit, name_reply
from tear_server.reflection import Plan, ReflectionRequest
from tear_server.registry import Served
from tear_server.service import Service

GONE = 499
"""nginx's status for a client that left; nobody reads it."""


routes = APIRouter(tags=["OpenAI"])


@routes.post("/v1/chat/completions", response_model=None)
async def create_chat_completion(body: ChatRequest, request: Request, service: Serving) -> Response:
    """Answer a conversation; the chain shows as `reasoning`, and whole as `reflection`."""
    admit(body.n or 1, param="n")
    session = session_named(body.session_id, request.headers)
    schema = None if body.response_format is None else await body.response_format.read()
    try:
        served = service.look(body.model)
        plans = [
            service.plan(_to_request(body, service, served, place, schema=schema, session=session))
            for place in range(body.n or 1)
        ]
    except RequestError as error:
        raise body.in_callers_words(error) from error
    reply = _Reply(service, plans, body, name_reply("chatcmpl-"))
    if body.stream:
        return EventStream(reply.stream())
    whole = await unless_disconnected(request, reply.whole())
    return Response(status_code=GONE) if whole is None else JSONResponse(whole)


def _to_request(
    body: ChatRequest, service: Service, served: Served, place: int, *, schema: str | None, session: str | None
) -> ReflectionRequest:
    body.refuse_unsupported()
    options = body.reflection
    return ReflectionRequest(
        id=f"refl-{uuid.uuid4().hex}",
        model=served.model,
        adapter=served.adapter,
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
        bypass=not served.reflects or options.mode == "off" or body.reasoning_effort == "none",
        revise_threshold=service.revise_threshold if options.revise_threshold is None else options.revise_threshold,
        stops=body.stops,
        session=session,
        caps=Caps(draft=options.max_draft_tokens, witness=options.max_witness_tokens),
        top_logprobs=body.top_logprobs or 0 if body.logprobs else None,
        json_schema=schema,
    )


class _Reply:
    """One reply, streamed or whole: both are told by the same narrators from the same events."""

    def __init__(self, service: Service, plans: Sequence[Plan], body: ChatRequest, reply_id: str) -> None:
        self._service, self._plans, self._body = service, plans, body
        self._shown = body.shown
        options = body.stream_options
        self._with_usage = options is not None and options.include_usage
        self._running: RunningUsage | None = None
        if options is not None and options.include_usage and options.continuous_usage_stats:
            self._running = RunningUsage(prompt_tokens=plans[0].prompt_tokens)
        self._head = {
            "id": reply_id,
            "created": int(time.time()),
            "model": plans[0].request.model,
            "system_fingerprint": plans[0].request.adapter,
        }

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Role; reasoning and content as they come; finish with the reflection; usage if asked; `[DONE]`."""
        narrators = self._narrators()
        reflections: list[Reflection] = []
        for place in range(len(self._plans)):
            yield self._chunk(place, {"role": "assistant", "content": ""})
        try:
            async with aclosing(self._events()) as events:
                async for place, event in events:
                    telling = narrators[place].tell(event)
                    if self._running is not None:
                        self._running.see(place, event)
                    if telling.reasoning:
                        delta = {"reasoning": telling.reasoning, "reasoning_content": telling.reasoning}
                        yield self._chunk(place, delta)
                    if telling.content or telling.tokens:
                        yield self._chunk(place, {"content": telling.content}, tokens=telling.tokens)
                    if isinstance(event, Completed):
                        reflections.append(event.reflection)
                        # Once only, and in the delta: SDKs add up what repeats and drop what stands beside it.
                        finish = _finish_reason(event.reflection)
                        yield self._chunk(place, self._reflection(event.reflection), finish=finish)
            if self._with_usage:
                chunk = {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": usage(reflections)}
                yield data(chunk)
        except Exception as error:  # the stream has begun: whatever it is, its end must be told
            yield data(error_body(to_named(error)))
        yield DONE

    async def whole(self) -> dict[str, Any]:
        """The stream, folded."""
        narrators = self._narrators()
        reasonings, contents = [""] * len(self._plans), [""] * len(self._plans)
        tokens: list[list[ScoredToken]] = [[] for _ in self._plans]
        found: dict[int, Reflection] = {}
        async with aclosing(self._events()) as events:
            async for place, event in events:
                telling = narrators[place].tell(event)
                reasonings[place] += telling.reasoning
                contents[place] += telling.content
                tokens[place] += telling.tokens
                if isinstance(event, Completed):
                    found[place] = event.reflection
        choices = [
            self._choice(place, contents[place], reasonings[place], tokens=tokens[place], reflection=found[place])
            for place in range(len(self._plans))
        ]
        return {**self._head, "object": "chat.completion", "choices": choices, "usage": usage(list(found.values()))}

    def _events(self) -> AsyncGenerator[tuple[int, Event], None]:
        return side_by_side([self._service.run(plan) for plan in self._plans])

    def _narrators(self) -> list[Narrator]:
        return [Narrator(reflects=plan.reflects, shown=self._shown) for plan in self._plans]

    def _choice(
        self, place: int, content: str, reasoning: str, *, tokens: Sequence[ScoredToken], reflection: Reflection
    ) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": content, **self._reflection(reflection)}
        if reasoning:
            message |= {"reasoning": reasoning, "reasoning_content": reasoning}
        finish = _finish_reason(reflection)
        return {"index": place, "message": message, "logprobs": _logprobs(tokens), "finish_reason": finish}

    def _reflection(self, reflection: Reflection) -> dict[str, Any]:
        shown = dump_shown(reflection, self._shown)
        return {} if shown is None else {"reflection": shown}

    def _chunk(
        self, place: int, delta: dict[str, Any], *, tokens: Sequence[ScoredToken] = (), finish: str | None = None
    ) -> bytes:
        choice = {"index": place, "delta": delta, "logprobs": _logprobs(tokens), "finish_reason": finish}
        running = {} if self._running is None else {"usage": self._running.shown()}
        return data({**self._head, "object": "chat.completion.chunk", "choices": [choice], **running})


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
    return sum(report.tokens for report in reflection.stages if report.stage is reflection.answer_stage)


def _logprobs(tokens: Sequence[ScoredToken]) -> dict[str, Any] | None:
    return chat_logprobs(tokens) if tokens else None


def _finish_reason(reflection: Reflection) -> str:
    return "length" if reflection.answer_cut else "stop"
