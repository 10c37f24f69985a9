"""What the application says of itself in OpenAPI: replies, refusals and examples of every operation, as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter

from tear_chain.errors import (
    AdapterError,
    AdapterMismatch,
    BodyTooLarge,
    BodyTooSlow,
    ContextOverflow,
    EngineDead,
    EngineError,
    InvalidKey,
    InvalidRequest,
    Overloaded,
    RateLimited,
    TearError,
    UnknownModel,
)
from tear_chain.events import Event
from tear_chain.words import Reflection
from tear_server.api import replies
from tear_server.api.gate import GUARDED, RATE_HEADERS
from tear_server.api.problems import STATUSES
from tear_server.call import INTERNAL_ERROR
from tear_server.journal.errors import JournalFailed, JournalOff, ReflectionNotFound
from tear_server.registry import AdapterBusy, AdapterConflict
from tear_server.rollout import AdaptersOff

KEY = "key"
ERROR = replies.ErrorReply
REF = "#/components/schemas/{model}"
SAID = [{"role": "user", "content": "We buried my uncle on Friday. I can't go into his shed."}]
CHEER = "You can do this, I'm sure of it."


@dataclass(frozen=True, slots=True)
class Operation:
    """What one operation replies, beyond what is so for all of them."""

    reply: Any
    """The type of its JSON, or `str` for plain text."""
    refusals: tuple[type[TearError], ...] = ()
    stream: Any = None
    """The type of the data of its events; None: it does not stream."""
    statuses: tuple[int, ...] = (200,)
    failing: Any = None
    """The type of its JSON with 503, where that is not an error object."""
    examples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Bodies that are answered, by what they show."""


ANSWERS = (InvalidRequest, ContextOverflow, UnknownModel, EngineError, EngineDead)
ROLLOUT = (InvalidRequest, AdaptersOff, EngineDead)
STORED = (JournalOff, ReflectionNotFound, JournalFailed)
OPERATIONS: Mapping[str, Operation] = {
    "POST /v1/chat/completions": Operation(
        reply=replies.ChatCompletion,
        refusals=ANSWERS,
        stream=replies.ChatChunk | ERROR,
        examples={
            "An answer": {"messages": SAID},
            "Streamed, with usage": {"messages": SAID, "stream": True, "stream_options": {"include_usage": True}},
            "Somebody else's draft": {"messages": SAID, "reflection": {"draft": CHEER}},
            "Two answers, the chain not shown": {"messages": SAID, "n": 2, "seed": 2, "include_reasoning": False},
            "Without reflecting": {"messages": SAID, "reasoning_effort": "none"},
        },
    ),
    "POST /v1/responses": Operation(
        reply=replies.ResponseReply,
        refusals=ANSWERS,
        stream=replies.ResponseEvent,
        examples={
            "An answer": {"input": SAID[0]["content"]},
            "With instructions, streamed": {"input": SAID, "instructions": "Be brief.", "stream": True},
        },
    ),
    "POST /v1/reflections": Operation(
        reply=Reflection,
        refusals=ANSWERS,
        stream=Event,
        examples={
            "A reflection": {"messages": SAID},
            "Somebody else's draft, as typed events": {"messages": SAID, "draft": CHEER, "stream": True},
        },
    ),
    "GET /v1/reflections/{reflection_id}": Operation(reply=replies.StoredReply, refusals=STORED),
    "POST /v1/reflections/{reflection_id}/outcome": Operation(
        reply=replies.OutcomeReply,
        refusals=(InvalidRequest, *STORED),
        statuses=(200, 201),
        examples={"What came of it": {"text": "I opened the shed on Sunday. I stayed an hour.", "weight": 2}},
    ),
    "POST /v1/witness": Operation(
        reply=replies.WitnessReply,
        refusals=ANSWERS,
        examples={"Two answers": {"items": [{"messages": SAID, "answer": said} for said in (CHEER, "Shall I come?")]}},
    ),
    "GET /v1/adapters": Operation(reply=replies.AdapterList, refusals=ROLLOUT[:2]),
    "POST /v1/adapters": Operation(
        reply=replies.LineReply,
        refusals=(*ROLLOUT, AdapterError, AdapterMismatch, AdapterConflict),
        examples={
            "Another version of the default model": {"path": "second"},
            "A model of its own": {"path": "second", "model": "small"},
        },
    ),
    "POST /v1/adapters/{model}/rollback": Operation(
        reply=replies.LineReply, refusals=(*ROLLOUT, UnknownModel, AdapterError, AdapterConflict)
    ),
    "DELETE /v1/adapters/{name}": Operation(
        reply=replies.RemovedReply, refusals=(*ROLLOUT, UnknownModel, AdapterConflict, AdapterBusy)
    ),
    "GET /v1/models": Operation(reply=replies.ModelList),
    "GET /v1/models/{name}": Operation(reply=replies.ModelReply, refusals=(UnknownModel,)),
    "GET /health": Operation(reply=replies.HealthReply, failing=replies.HealthReply),
    "GET /ready": Operation(reply=replies.HealthReply, failing=replies.HealthReply),
    "GET /version": Operation(reply=replies.VersionReply),
    "GET /metrics": Operation(reply=str),
}
"""By method and path."""


def describe(openapi: dict[str, Any], *, keyed: bool) -> dict[str, Any]:
    """OpenAPI's description as FastAPI makes it, with the replies as they are; `keyed`: the server asks for keys."""
    schemas, definitions = _schemas()
    components = openapi.setdefault("components", {})
    own = {name: one for name, one in components.get("schemas", {}).items() if name not in _OF_FRAMEWORK}
    components["schemas"] = dict(sorted({**own, **definitions}.items()))
    if keyed:
        components["securitySchemes"] = {KEY: {"type": "http", "scheme": "bearer"}}
    for path, methods in openapi["paths"].items():
        for method, told in methods.items():
            name = f"{method.upper()} {path}"
            told["responses"].pop("422", None)  # FastAPI's own status for a body that does not fit; here it is 400
            if name in OPERATIONS:
                told["responses"] = _responses(name, OPERATIONS[name], schemas=schemas, keyed=keyed)
                if examples := OPERATIONS[name].examples:
                    shown = {summary: {"value": body} for summary, body in examples.items()}
                    told["requestBody"]["content"]["application/json"]["examples"] = shown
            if keyed and path.startswith(GUARDED):
                told["security"] = [{KEY: []}]
    return openapi


_OF_FRAMEWORK = frozenset({"HTTPValidationError", "ValidationError"})
_STATUS_WORDS = {
    400: "The request cannot be served as it is",
    401: "No key, or none that is known",
    404: "There is no such thing here",
    408: "The body did not come in time",
    409: "That does not go with what is served now",
    413: "The body is too long",
    429: "The key has asked too often or for too much",
    500: "The server failed",
    503: "Not now",
}


def _schemas() -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    """The schema of each type in the table, and the definitions that they refer to."""
    kinds = [ERROR, *(kind for one in OPERATIONS.values() for kind in (one.reply, one.stream, one.failing))]
    wanted = [kind for kind in dict.fromkeys(kinds) if kind is not None]
    mode: Literal["serialization"] = "serialization"
    inputs = [(index, mode, TypeAdapter[Any](kind)) for index, kind in enumerate(wanted)]
    made, rest = TypeAdapter.json_schemas(inputs, ref_template=REF)
    return {kind: made[index, mode] for index, kind in enumerate(wanted)}, rest.get("$defs", {})


def _responses(
    name: str, operation: Operation, *, schemas: Mapping[Any, dict[str, Any]], keyed: bool
) -> dict[str, Any]:
    media = "text/plain" if operation.reply is str else "application/json"
    content = {media: {"schema": schemas[operation.reply]}}
    if operation.stream is not None:
        content["text/event-stream"] = {"schema": schemas[operation.stream]}
    headers = _headers(keyed and name.startswith(f"POST {GUARDED}"))
    told = {str(status): _response("Done", content, headers) for status in operation.statuses}
    for status, codes in sorted(_codes(name, operation, keyed=keyed).items()):
        words = f"{_STATUS_WORDS[status]}: {', '.join(f'`{code}`' for code in codes)}"
        retry = {"retry-after": _header("Seconds")} if {"overloaded", "rate_limit_exceeded"} & set(codes) else {}
        content = {"application/json": {"schema": schemas[ERROR]}}
        told[str(status)] = _response(words, content, {**headers, **retry})
    if operation.failing is not None:
        content = {"application/json": {"schema": schemas[operation.failing]}}
        told["503"] = _response(_STATUS_WORDS[503], content, headers)
    return told


def _codes(name: str, operation: Operation, *, keyed: bool) -> dict[int, list[str]]:
    """The codes of the errors that an operation can answer with, by their statuses."""
    method, _, path = name.partition(" ")
    gates: Sequence[type[TearError]] = ()
    if path.startswith(GUARDED):
        of_work = (
            (BodyTooLarge, BodyTooSlow, Overloaded, *((RateLimited,) if keyed else ())) if method == "POST" else ()
        )
        gates = ((InvalidKey,) if keyed else ()) + of_work
    found: dict[int, list[str]] = {500: []}
    for kind in (*gates, *operation.refusals):
        status = next((status for known, status in STATUSES if issubclass(kind, known)), 500)
        found.setdefault(status, []).append(kind.code)
    found[500].append(INTERNAL_ERROR)
    return found


def _response(words: str, content: Mapping[str, Any], headers: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": f"{words}.", "content": dict(content), "headers": dict(headers)}


def _headers(limited: bool) -> dict[str, Any]:
    told = {"x-request-id": _header("Of this request; the client's own if it sent one")}
    if limited:
        told |= {name: _header("Only for a key with such a limit") for name in RATE_HEADERS}
    return told


def _header(words: str) -> dict[str, Any]:
    return {"description": f"{words}.", "schema": {"type": "string"}}
