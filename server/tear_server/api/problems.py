"""Errors as HTTP: one table of statuses, one shape of body, OpenAI's."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from tear_chain.errors import EngineDead, EngineError, RequestError, TearError, UnknownModel
from tear_server.metrics import Metrics

STATUSES: tuple[tuple[type[TearError], int], ...] = (
    (UnknownModel, 404),
    (RequestError, 400),
    (EngineDead, 503),
    (EngineError, 500),
)
"""First match from the top."""
MAX_REPORTED = 5


def error_body(error: TearError) -> dict[str, Any]:
    """`{"error": {message, type, param, code}}`."""
    kind = "invalid_request_error" if isinstance(error, RequestError) else "server_error"
    return _body(error.sentence(), kind=kind, param=error.param, code=error.code)


def install(app: FastAPI, metrics: Metrics) -> None:
    """Answer every failure in the one shape; count what was refused."""

    async def on_tear_error(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, TearError)
        status = next((status for kind, status in STATUSES if isinstance(error, kind)), 500)
        if isinstance(error, RequestError):
            metrics.rejected.labels(error.code).inc()
        headers = {"x-should-retry": "true" if error.retryable else "false"}
        return JSONResponse(error_body(error), status, headers=headers)

    async def on_validation(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        metrics.rejected.labels("invalid_request").inc()
        found = [_explain(item) for item in error.errors()[:MAX_REPORTED]]
        message = "; ".join(text for _, text in found) + "."
        return JSONResponse(
            _body(message, kind="invalid_request_error", param=found[0][0], code="invalid_request"), 400
        )

    async def on_http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        body = _body(f"{error.detail}.", kind="invalid_request_error", param=None, code="not_found")
        return JSONResponse(body, error.status_code, headers=error.headers)

    app.add_exception_handler(TearError, on_tear_error)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)


def _body(message: str, *, kind: str, param: str | None, code: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _explain(item: dict[str, Any]) -> tuple[str | None, str]:
    """The field in dotted form, and what is wrong with it."""
    if item["type"] == "json_invalid":
        return None, f"The body is not JSON: {item.get('ctx', {}).get('error', item['msg'])}"
    path = ""
    for part in item["loc"][1:]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    if item["type"] == "missing":
        return path or None, f"{path or 'The body'} is missing"
    return path or None, f"{path or 'The body'}: {item['msg'][:1].lower()}{item['msg'][1:]}"
