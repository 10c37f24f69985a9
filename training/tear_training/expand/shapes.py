"""The JSON that writer and judge answer with, and how it is found in a reply."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tear_training.expand.plan import Manner

Weight = Literal[-3, -2, -1, 0, 1, 2, 3]
Kind = Literal["plain", "mixed", "bad_news", "no"]


class ReplyFault(ValueError):
    """A reply that cannot be used; the message says why in a line."""


class _Shape(BaseModel):
    # A closed choice is an enum in the schema, and no field carries a bound: both are what strict servers take.
    model_config = ConfigDict(frozen=True, extra="forbid")


class WrittenTurn(_Shape):
    """A turn of the conversation before the answers."""

    role: Literal["user", "assistant"]
    content: str


class WrittenAnswer(_Shape):
    """One answer and its scene."""

    manner: Literal[Manner, "plain"]
    kind: Kind
    response: str
    who: str
    impact: str
    ripples: str
    weight: Weight
    revised: str | None = None


class WrittenSituation(_Shape):
    """What the writer is asked for."""

    messages: tuple[WrittenTurn, ...]
    crisis: bool = False
    answers: tuple[WrittenAnswer, ...]


class Judgement(_Shape):
    """What the judge is asked for."""

    who: str
    effect: str
    weight: Weight


ShapeT = TypeVar("ShapeT", bound=BaseModel)


def response_format(shape: type[BaseModel]) -> dict[str, Any]:
    """`shape` as OpenAI's `response_format`: every field required, nothing else allowed."""
    schema = shape.model_json_schema()
    for part in (schema, *schema.get("$defs", {}).values()):
        # Strict servers refuse defaults and optional fields; where a reply leaves one out, our model fills it in.
        part["required"] = list(part["properties"])
        for field in part["properties"].values():
            field.pop("default", None)
    return {"type": "json_schema", "json_schema": {"name": shape.__name__, "strict": True, "schema": schema}}


def read_shape(text: str, shape: type[ShapeT]) -> ShapeT:
    """The first JSON object of a reply as `shape`; `ReplyFault` says what is wrong with it.

    Servers that ignore `response_format` put words, fences or thoughts around it.

    >>> read_shape('Here: {"who": "he", "effect": "shrugs", "weight": 0}', Judgement).effect
    'shrugs'
    """
    found = _first_object(text.rpartition("</think>")[2])
    if found is None:
        raise ReplyFault("no JSON object in the reply")
    try:
        return shape.model_validate(found)
    except ValidationError as exc:
        faults = (f"{'.'.join(map(str, fault['loc'])) or 'reply'}: {fault['msg']}" for fault in exc.errors())
        raise ReplyFault("; ".join(faults)) from exc


def _first_object(text: str) -> dict[str, Any] | None:
    decoder = json.JSONDecoder()
    start = text.find("{")
    while start != -1:
        try:
            found, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
        else:
            assert isinstance(found, dict)
            return found
    return None
