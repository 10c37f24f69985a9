"""`POST /v1/reflections`: the whole chain as one object, or as typed events while it runs."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from tear_chain.events import Failed
from tear_chain.wire import dump_event, dump_reflection
from tear_server.api.chat import GONE
from tear_server.api.problems import to_named
from tear_server.api.schemas import ReflectionBody, session_named, to_conversation
from tear_server.api.serving import Serving
from tear_server.api.sse import EventStream, named, unless_disconnected
from tear_server.budget import Caps
from tear_server.reflection import Plan, ReflectionRequest
from tear_server.service import Service

routes = APIRouter(tags=["The Tear"])


@routes.post("/v1/reflections", response_model=None)
async def create_reflection(body: ReflectionBody, request: Request, service: Serving) -> Response:
    """Reflect on a conversation, or on a draft that somebody else wrote."""
    plan = service.plan(_to_request(body, service, session_named(body.session_id, request.headers)))
    if body.stream:
        return EventStream(_stream(service, plan))
    reflection = await unless_disconnected(request, service.answer(plan))
    if reflection is None:
        return Response(status_code=GONE)
    return JSONResponse(dump_reflection(reflection))


def _to_request(body: ReflectionBody, service: Service, session: str | None) -> ReflectionRequest:
    served = service.look(body.model)
    return ReflectionRequest(
        id=f"refl-{uuid.uuid4().hex}",
        model=served.model,
        adapter=served.adapter,
        conversation=to_conversation(body.messages),
        sampling=service.sampling.asked(temperature=body.temperature, top_p=body.top_p, seed=body.seed),
        max_tokens=body.max_completion_tokens,
        draft=body.draft,
        bypass=not served.reflects,
        revise_threshold=service.revise_threshold if body.revise_threshold is None else body.revise_threshold,
        session=session,
        caps=Caps(draft=body.max_draft_tokens, witness=body.max_witness_tokens),
    )


async def _stream(service: Service, plan: Plan) -> AsyncGenerator[bytes, None]:
    try:
        async with aclosing(service.run(plan)) as events:
            async for event in events:
                yield named(*dump_event(event))
    except Exception as error:  # the stream has begun: whatever it is, its end must be told
        told = to_named(error)
        yield named(*dump_event(Failed(code=told.code, message=told.sentence())))
