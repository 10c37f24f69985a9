"""`POST /v1/witness`: the consequence of answers that somebody else wrote, and nothing but that."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from tear_chain.errors import InvalidRequest, RequestError
from tear_chain.words import Reflection
from tear_server.api.chat import GONE, usage
from tear_server.api.schemas import WitnessBody, session_named, to_conversation
from tear_server.api.serving import Serving
from tear_server.api.sse import unless_disconnected
from tear_server.call import admit, name_reply
from tear_server.reflection import Plan, ReflectionRequest
from tear_server.registry import DIRECT_SUFFIX, Served
from tear_server.service import Service

routes = APIRouter(tags=["The Tear"])


@routes.post("/v1/witness", response_model=None)
async def create_witness(body: WitnessBody, request: Request, service: Serving) -> Response:
    """Foresee what each answer would do to the person who receives it; nothing is answered or revised."""
    admit(len(body.items), param="items")
    served, session = service.look(body.model), session_named(body.session_id, request.headers)
    plans = [_plan(body, index, service, served, session) for index in range(len(body.items))]
    found = await unless_disconnected(request, _witness_all(service, plans))
    if found is None:
        return Response(status_code=GONE)
    reply = {
        "id": name_reply("witness-", keep_given=True),
        "object": "list",
        "model": served.model,
        "adapter": served.adapter,
        "data": [_shown(index, reflection) for index, reflection in enumerate(found)],
        "usage": _total(found),
    }
    return JSONResponse(reply)


def _plan(body: WitnessBody, index: int, service: Service, served: Served, session: str | None) -> Plan:
    item, where = body.items[index], f"items[{index}]"
    if not served.reflects:
        model = served.model.removesuffix(DIRECT_SUFFIX)
        raise InvalidRequest(f"{served.model} answers without reflecting. Ask {model}.", param="model")
    try:
        return service.plan(
            ReflectionRequest(
                id=f"refl-{uuid.uuid4().hex}",
                model=served.model,
                adapter=served.adapter,
                conversation=to_conversation(item.messages),
                sampling=service.sampling.asked(temperature=body.temperature, top_p=body.top_p, seed=body.seed),
                draft=item.answer,
                only_witness=True,
                revise_threshold=service.revise_threshold if body.revise_threshold is None else body.revise_threshold,
                session=session,
            )
        )
    except RequestError as error:
        named = {"draft": "answer", None: "messages"}.get(error.param, error.param)
        raise type(error)(f"{where}: {error.message}", param=f"{where}.{named}") from error


async def _witness_all(service: Service, plans: list[Plan]) -> list[Reflection]:
    """All at once, for the engine to batch; one that fails ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(service.answer(plan)) for plan in plans]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    return [task.result() for task in tasks]


def _shown(index: int, reflection: Reflection) -> dict[str, Any]:
    assert reflection.witness is not None, "what was witnessed has a scene"
    return {
        "index": index,
        "object": "witness",
        "status": reflection.status,
        "problems": list(reflection.problems),
        "witness": asdict(reflection.witness),
        "expected_weight": reflection.expected_weight,
        "decision": reflection.decision,
        "revise_probability": reflection.revise_probability,
    }


def _total(found: list[Reflection]) -> dict[str, int]:
    each = [usage([reflection]) for reflection in found]
    return {name: sum(one[name] for one in each) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
