"""`POST /v1/responses`: OpenAI's Responses API; draft and witness as a reasoning item, nothing stored."""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from tear_chain.errors import InvalidRequest, RequestError, TearError
from tear_chain.events import Completed
from tear_chain.words import Reflection
from tear_server.api.chat import GONE, usage
from tear_server.api.exposure import dump_shown, to_shown
from tear_server.api.narrator import Narrator, Telling
from tear_server.api.problems import to_named
from tear_server.api.response_items import MESSAGE, REASONING, Items, Output, in_callers_words, to_messages
from tear_server.api.schemas import (
    ReflectionOptions,
    Seed,
    Temperature,
    Text,
    Tokens,
    TopLogprobs,
    TopP,
    session_named,
    to_conversation,
)
from tear_server.api.serving import Serving
from tear_server.api.sse import EventStream, named, unless_disconnected
from tear_server.api.text_format import TextOptions
from tear_server.budget import Caps
from tear_server.call import name_reply
from tear_server.reflection import Plan, ReflectionRequest
from tear_server.service import Service

LOGPROBS = "message.output_text.logprobs"


class ReasoningOptions(BaseModel):
    """OpenAI's `reasoning`. A summary may be asked for; there is none, since all of the reasoning is shown."""

    model_config = ConfigDict(extra="allow")

    effort: Text | None = None
    """`none` answers without reflecting; any other value reflects."""


class ResponseBody(BaseModel):
    """`POST /v1/responses`, OpenAI's fields and `reflection`. Unknown fields are ignored, as vLLM does."""

    model_config = ConfigDict(extra="allow")

    input: Items
    instructions: Text | None = None
    """A system message in front; the input's own follows it. Without a word it is left out."""
    model: Text | None = None
    max_output_tokens: Tokens | None = None
    """Limit on all that is generated, draft and witness included."""
    temperature: Temperature | None = None
    top_p: TopP | None = None
    seed: Seed | None = None
    """Not OpenAI's."""
    stream: bool | None = False
    metadata: dict[Text, Text] | None = None
    reasoning: ReasoningOptions | None = None
    include_reasoning: bool = True
    """False reflects and does not show it, as vLLM has it."""
    session_id: Text | None = None
    """The conversation's name, as vLLM has it."""
    reflection: ReflectionOptions = Field(default_factory=ReflectionOptions)
    text: TextOptions | None = None
    tools: list[Any] | None = None
    previous_response_id: Any = None
    conversation: Any = None
    prompt: Any = None
    background: bool | None = None
    include: list[Any] | None = None
    """`message.output_text.logprobs` shows the log-probabilities of the answer's tokens."""
    top_logprobs: TopLogprobs | None = None
    """So many likely tokens in the place of each of the answer's, which are then shown, too."""

    def refuse_unsupported(self) -> None:
        """Raise `InvalidRequest` for what is asked and cannot be done; silence would be a wrong answer."""
        for name, value in (
            ("previous_response_id", self.previous_response_id),
            ("conversation", self.conversation),
            ("prompt", self.prompt),
        ):
            if value:
                raise InvalidRequest(f"{name} is not supported: nothing is stored. Send it all as input.", param=name)
        if self.background:
            raise InvalidRequest("background is not supported: nothing is stored. Ask with stream.", param="background")
        if self.tools:
            raise InvalidRequest("tools are not supported. Leave them out.", param="tools")

    @property
    def wanted_logprobs(self) -> int | None:
        """How many likely tokens are wanted beside each of the answer's; None if no log-probabilities are."""
        return self.top_logprobs or (0 if LOGPROBS in (self.include or ()) else None)


routes = APIRouter(tags=["OpenAI"])


@routes.post("/v1/responses", response_model=None)
async def create_response(body: ResponseBody, request: Request, service: Serving) -> Response:
    """Answer; the chain shows as a reasoning item, and whole as `reflection`. Nothing is stored."""
    body.refuse_unsupported()
    schema = await body.text.format.read() if body.text and body.text.format else None
    plan = _plan(body, service, schema=schema, session=session_named(body.session_id, request.headers))
    reply = _Reply(service, plan, body, name_reply("resp_"))
    if body.stream:
        return EventStream(reply.stream())
    whole = await unless_disconnected(request, reply.whole())
    return Response(status_code=GONE) if whole is None else JSONResponse(whole)


def _plan(body: ResponseBody, service: Service, *, schema: str | None, session: str | None) -> Plan:
    served = service.look(body.model)
    options = body.reflection
    effort = body.reasoning.effort if body.reasoning else None
    placed = to_messages(body.input, instructions=body.instructions)
    try:
        return service.plan(
            ReflectionRequest(
                id=f"refl-{uuid.uuid4().hex}",
                model=served.model,
                adapter=served.adapter,
                conversation=to_conversation([each.message for each in placed]),
                sampling=service.sampling.asked(temperature=body.temperature, top_p=body.top_p, seed=body.seed),
                max_tokens=body.max_output_tokens,
                draft=options.draft,
                bypass=not served.reflects or options.mode == "off" or effort == "none",
                revise_threshold=(
                    service.revise_threshold if options.revise_threshold is None else options.revise_threshold
                ),
                session=session,
                caps=Caps(draft=options.max_draft_tokens, witness=options.max_witness_tokens),
                top_logprobs=body.wanted_logprobs,
                json_schema=schema,
            )
        )
    except RequestError as error:
        raise in_callers_words(error, placed) from error


class _Reply:
    """One reply, streamed or whole: the whole one is the object in the stream's last event."""

    def __init__(self, service: Service, plan: Plan, body: ResponseBody, reply_id: str) -> None:
        self._service, self._plan, self._body = service, plan, body
        self._shown = to_shown(body.reflection.expose, include_reasoning=body.include_reasoning)
        self._output = Output()
        self._numbers = itertools.count()
        self._id = reply_id
        self._created_at = int(time.time())

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The events, each with its name; a failure is the last of them."""
        try:
            async with aclosing(self._events()) as events:
                async for event in events:
                    yield _encode(event)
        except Exception as error:  # the stream has begun: whatever it is, its end must be told
            yield _encode(self._numbered(self._milestone("failed", error=to_named(error))))

    async def whole(self) -> dict[str, Any]:
        """The stream, folded."""
        response: dict[str, Any] = {}
        async with aclosing(self._events()) as events:
            async for event in events:
                response = event.get("response", response)
        return response

    async def _events(self) -> AsyncGenerator[dict[str, Any], None]:
        yield self._numbered(self._milestone("in_progress", name="created"))
        yield self._numbered(self._milestone("in_progress"))
        narrator = Narrator(reflects=self._plan.reflects, shown=self._shown)
        async with aclosing(self._service.run(self._plan)) as events:
            async for event in events:
                for told in self._tell(narrator.tell(event)):
                    yield self._numbered(told)
                if isinstance(event, Completed):
                    for told in self._finish(event.reflection):
                        yield self._numbered(told)

    def _tell(self, telling: Telling) -> list[dict[str, Any]]:
        told = []
        if telling.reasoning:
            told += self._output.write(REASONING, telling.reasoning)
        if telling.content or telling.tokens:
            told += self._output.write(MESSAGE, telling.content, telling.tokens)
        return told

    def _finish(self, reflection: Reflection) -> list[dict[str, Any]]:
        status: Literal["completed", "incomplete"] = "incomplete" if reflection.answer_cut else "completed"
        # An answer without a word is a message, too.
        told = self._output.write(MESSAGE, "") + self._output.end(status)
        return [*told, self._milestone(status, reflection=reflection)]

    def _numbered(self, event: dict[str, Any]) -> dict[str, Any]:
        return {"type": event["type"], "sequence_number": next(self._numbers), **event}

    def _milestone(
        self,
        status: Literal["in_progress", "completed", "incomplete", "failed"],
        *,
        name: str | None = None,
        reflection: Reflection | None = None,
        error: TearError | None = None,
    ) -> dict[str, Any]:
        """The event that shows the response as it is now; named after `status`, or `name` where it has another."""
        body, sampling = self._body, self._plan.request.sampling
        response = {
            "id": self._id,
            "object": "response",
            "created_at": self._created_at,
            "completed_at": int(time.time()) if status == "completed" else None,
            "status": status,
            "error": None if error is None else _error(error),
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "model": self._plan.request.model,
            "output": self._output.shown(unfinished="in_progress" if error is None else "incomplete"),
            "usage": None if reflection is None else _usage(reflection),
            "reflection": None if reflection is None else dump_shown(reflection, self._shown),
            "instructions": body.instructions,
            "max_output_tokens": body.max_output_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "frequency_penalty": sampling.frequency_penalty,
            "presence_penalty": sampling.presence_penalty,
            "reasoning": {"effort": body.reasoning.effort if body.reasoning else None, "summary": None},
            "metadata": body.metadata or {},
            "text": {"format": body.text.format.shown() if body.text and body.text.format else {"type": "text"}},
            "truncation": "disabled",
            "tools": [],
            "tool_choice": "none",
            "parallel_tool_calls": False,
            "max_tool_calls": None,
            "top_logprobs": body.top_logprobs or 0,
            "store": False,
            "background": False,
            "previous_response_id": None,
            "service_tier": "default",
            "safety_identifier": None,
            "prompt_cache_key": None,
        }
        return {"type": f"response.{name or status}", "response": response}


def _encode(event: dict[str, Any]) -> bytes:
    return named(event["type"], json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode())


def _error(error: TearError) -> dict[str, Any]:
    # OpenAI's list of codes is closed; `type` is its place for the error's own name.
    return {"code": "server_error", "type": error.code, "message": error.sentence(), "param": error.param}


def _usage(reflection: Reflection) -> dict[str, Any]:
    counted = usage([reflection])
    return {
        "input_tokens": counted["prompt_tokens"],
        # OpenAI counts what it charges for writing into its cache; here that costs nothing.
        "input_tokens_details": {**counted["prompt_tokens_details"], "cache_write_tokens": 0},
        "output_tokens": counted["completion_tokens"],
        "output_tokens_details": counted["completion_tokens_details"],
        "total_tokens": counted["total_tokens"],
    }
