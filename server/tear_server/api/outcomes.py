"""`/v1/reflections/{id}`: what the journal holds of a reflection, and what a person reports really came of it.

An id is 128 random bits that only the reply told: whoever has it may read the reflection and report on it.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tear_server.api.schemas import Text
from tear_server.api.serving import Serving
from tear_server.journal.entry import dump_outcome, dump_stored
from tear_server.journal.errors import JournalOff
from tear_server.journal.journal import Journal
from tear_server.service import Service

MAX_CHARS = 4000


def _says_something(text: str) -> str:
    if not text.strip():
        raise ValueError("expected text that says something")
    return text


class OutcomeBody(BaseModel):
    """`POST /v1/reflections/{id}/outcome`: what happened, told by a person."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[Text, Field(min_length=1, max_length=MAX_CHARS), AfterValidator(_says_something)]
    weight: Annotated[int, Field(ge=-3, le=3, strict=True)] | None = None
    """-3 closed the person … +3 opened them."""


routes = APIRouter(tags=["The Tear"])


@routes.post("/v1/reflections/{reflection_id}/outcome", response_model=None, status_code=201)
async def report_outcome(reflection_id: str, body: OutcomeBody, service: Serving) -> JSONResponse:
    """Report what really came of an answer: 201, or 200 where it replaces an earlier report."""
    reporting = await _journal(service).report(reflection_id, text=body.text, weight=body.weight)
    shown = dump_outcome(reporting.entry.id, reporting.outcome)
    return JSONResponse(shown, 201 if reporting.is_new else 200)


@routes.get("/v1/reflections/{reflection_id}", response_model=None)
async def get_reflection(reflection_id: str, service: Serving) -> JSONResponse:
    """A reflection of the journal, with the outcome that was reported."""
    stored = await _journal(service).find(reflection_id)
    return JSONResponse(dump_stored(stored))


def _journal(service: Service) -> Journal:
    if service.journal is None:
        raise JournalOff("This server keeps no journal of reflections.")
    return service.journal
