"""Errors as HTTP: one table of statuses, one shape of body, OpenAI's."""

from __future__ import annotations

import logging
import math
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from tear_chain.errors import (
    AdapterError,
    BodyTooLarge,
    BodyTooSlow,
    EngineDead,
    EngineError,
    EngineLate,
    InvalidKey,
    Overloaded,
    RateLimited,
    RequestError,
    Stopping,
    Surprise,
    TearError,
    UnknownModel,
)
from tear_server.call import current_call
from tear_server.journal.errors import JournalFailed, JournalOff, ReflectionNotFound
from tear_server.metrics import Metrics
from tear_server.registry import AdapterBusy, AdapterConflict
from tear_server.rollout import AdaptersOff

STATUSES: tuple[tuple[type[TearError], int], ...] = (
    (UnknownModel, 404),
    (JournalOff, 404),
    (ReflectionNotFound, 404),
    (AdaptersOff, 404),
    (AdapterConflict, 409),
    (AdapterBusy, 409),
    (InvalidKey, 401),
    (RateLimited, 429),
    (BodyTooLarge, 413),
    (BodyTooSlow, 408),
    (RequestError, 400),
    (AdapterError, 400),
    (Overloaded, 503),
    (Stopping, 503),
    (JournalFailed, 503),
    (EngineDead, 503),
    (EngineLate, 504),
    (EngineError, 500),
)
"""First match from the top."""
CODES = {404: "not_found", 405: "method_not_allowed"}
"""For what the framework refuses by itself; any other status of its is a body that cannot be read."""
MAX_READ, MAX_REPORTED = 50, 5
MAX_CHARS = 1000
"""Of a message: what is wrong with a megabyte can be said without it."""
SEND_JSON = "Send one JSON object, with the header content-type: application/json"
_log = logging.getLogger("tear.api")


def error_body(error: TearError) -> dict[str, Any]:
    """`{"error": {message, type, param, code}}`."""
    kind = "invalid_request_error" if isinstance(error, RequestError | AdapterError) else "server_error"
    if isinstance(error, RateLimited):
        kind = "rate_limit_error"
    return _body(error.sentence(), kind=kind, param=error.param, code=error.code)


def to_named(error: Exception) -> TearError:
    """The error that a stream ends with; a failure without a name is logged, since nobody else will see it."""
    if isinstance(error, TearError):
        return error
    _log.error("A stream broke off.", exc_info=error)
    return Surprise()


def to_reply(error: TearError) -> JSONResponse:
    """The HTTP reply for an error that has a name, and whether and when to try again."""
    status = next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
    headers = {"x-should-retry": "true" if error.retryable else "false"}
    if error.retry_after_s is not None:
        headers |= {
            "retry-after": str(math.ceil(error.retry_after_s)),
            "retry-after-ms": str(math.ceil(error.retry_after_s * 1000)),
        }
    if isinstance(error, InvalidKey):
        headers["www-authenticate"] = "Bearer"
    return _reply(error_body(error), status, **headers)


def refusals() -> frozenset[str]:
    """The code of everything that is refused before anything is generated."""
    kinds: list[type[TearError]] = [RequestError, AdapterError, Overloaded, Stopping, EngineDead]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return frozenset(kind.code for kind in kinds)


def install(app: FastAPI, metrics: Metrics) -> None:
    """Answer every failure in the one shape; count what was refused."""
    for code in refusals():
        metrics.rejected.labels(code)

    async def on_tear_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, TearError)
        if isinstance(error, RequestError | AdapterError | Overloaded):
            metrics.rejected.labels(error.code).inc()
        return to_reply(error)

    async def on_validation(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        metrics.rejected.labels("invalid_request").inc()
        found = _faults(error)
        message = "; ".join(found.values()) + "."
        body = _body(message, kind="invalid_request_error", param=next(iter(found)), code="invalid_request")
        return _reply(body, 400, **{"x-should-retry": "false"})

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        code = CODES.get(error.status_code)
        asked = f"{error.detail}: {request.method} {quote(request.url.path)}."
        message, param = (asked, None) if code else (f"The body is not JSON. {SEND_JSON}.", "body")
        body = _body(message, kind="invalid_request_error", param=param, code=code or "invalid_request")
        if code is None:
            metrics.rejected.labels("invalid_request").inc()
        return _reply(body, error.status_code, **{"x-should-retry": "false", **(error.headers or {})})

    async def on_surprise(request: Request, error: Exception) -> JSONResponse:
        # Starlette raises it once more, so that it is as loud in the log as it was.
        return to_reply(Surprise())

    app.add_exception_handler(TearError, on_tear_error)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_surprise)


def _reply(body: dict[str, Any], status: int, **headers: str) -> JSONResponse:
    if (call := current_call()) is not None:
        call.code = body["error"]["code"]
    return JSONResponse(body, status, headers=headers)


def _body(message: str, *, kind: str, param: str | None, code: str) -> dict[str, Any]:
    short = message if len(message) <= MAX_CHARS else f"{message[:MAX_CHARS]} …"
    return {"error": {"message": short, "type": kind, "param": param, "code": code}}


def _faults(error: RequestValidationError) -> dict[str, str]:
    """What is wrong, by field: of a choice of kinds the first, and where one kind fits further in, that alone."""
    explained = [_explain(item) for item in error.errors()[:MAX_READ]]
    paths = [path for path, _ in explained]
    found: dict[str, str] = {}
    for path, text in explained:
        if not any(other.startswith((f"{path}.", f"{path}[")) for other in paths):
            found.setdefault(path, text)
    return dict(list(found.items())[:MAX_REPORTED])


def _explain(item: dict[str, Any]) -> tuple[str, str]:
    """The field in dotted form, and what is wrong with it."""
    if item["type"] == "json_invalid":
        reason = str(item.get("ctx", {}).get("error", item["msg"])).removesuffix(" at")
        return "body", f"The body is not JSON: {reason}. {SEND_JSON}"
    path = ""
    for part in item["loc"][1:] if item["type"] == "extra_forbidden" else filter(_is_field, item["loc"][1:]):
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    if not path:
        return "body", f"The body is not a JSON object. {SEND_JSON}"
    path = path[:MAX_CHARS].encode(errors="replace").decode()  # an unknown key may be long, or no text
    if item["type"] == "missing":
        return path, f"{path} is missing"
    return path, f"{path}: {item['msg'][:1].lower()}{item['msg'][1:]}"


def _is_field(part: str | int) -> bool:
    """Whether it is part of the way to a field, not pydantic's name for one of the kinds that it tried on the way."""
    return isinstance(part, int) or not (part == "str" or part.endswith("]"))
