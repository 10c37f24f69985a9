from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tear_chain.errors import InvalidRequest
from tear_server.json_format import MAX_NESTING, MAX_SCHEMA_BYTES, is_whole, read_schema


def nested(levels: int) -> dict[str, Any]:
    """A schema that is `levels` objects and lists deep."""
    schema: dict[str, Any] = {}
    for _ in range(levels - 1):
        schema = {"items": schema}
    return schema


MOOD = {"type": "object", "properties": {"mood": {"enum": ["glad", "sad"]}}, "required": ["mood"]}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        MOOD,
        {"$defs": {"mood": MOOD}, "$ref": "#/$defs/mood"},
        {"type": "string", "pattern": "^[a-z]{1,5}$"},
        {"type": "array", "items": {"type": "integer"}, "maxItems": 3},
        nested(MAX_NESTING),
    ],
    ids=["anything", "object", "reference", "pattern", "list", "deepest"],
)
async def test_a_schema_that_can_be_held_to_is_passed_on_whole(schema: dict[str, Any]) -> None:
    assert json.loads(await read_schema(schema, param="here")) == schema


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "strin"},
        {"type": "string", "pattern": "("},
        {"type": "string", "minLength": 5, "maxLength": 2},
        {"type": "array", "uniqueItems": True},
        {"not": {"type": "string"}},
        {"$ref": "https://example.com/schema"},
        {"$ref": "#/nowhere"},
        {"enum": ["\ud800"]},
        {"title": "x" * MAX_SCHEMA_BYTES},
        nested(MAX_NESTING + 1),
        nested(5000),
    ],
    ids=[
        *("type", "pattern", "impossible", "unknown-rule", "not", "elsewhere", "nowhere", "half-a-pair", "long"),
        *("deep", "bottomless"),
    ],
)
async def test_a_schema_that_no_text_can_be_held_to_is_refused_in_one_sentence(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await read_schema(schema, param="format.schema")
    assert refused.value.param == "format.schema"
    assert refused.value.message.startswith("format.schema ")
    assert refused.value.message.endswith(".")
    assert "\n" not in refused.value.message


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "((a{1,1000}){1,1000}){1,1000}"},
        {"type": "string", "pattern": "^(a+)+(b|c|a)*$"},
        {"type": "string", "minLength": 10**9},
        {"type": "array", "items": {"type": "array", "minItems": 10**5}, "minItems": 10**5},
        {"$defs": {f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 10} for i in range(30)}, "$ref": "#/$defs/d0"},
        {"allOf": [{"anyOf": [{"properties": {f"{i}{j}": {}}} for j in range(4)]} for i in range(12)]},
        {"properties": {f"p{i}": {"type": "string", "pattern": ".*a.{9}"} for i in range(600)}},
    ],
    ids=["repeats", "backtracking", "length", "lists", "references", "combinations", "many"],
)
async def test_a_hostile_schema_holds_up_nobody(schema: dict[str, Any]) -> None:
    """Whether it is taken or refused; the loop goes on meanwhile, and neither takes long."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    try:
        async with asyncio.timeout(20):
            await read_schema(schema, param="schema")
    except InvalidRequest:
        pass
    finally:
        counting.cancel()
    assert turns > 0


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ('{"a": 1}', True),
        (" [] ", True),
        ('{"a": ', False),
        ("", False),
        ("Well.", False),
        ("{} {}", False),
        ("[" * 100_000, False),
    ],
    ids=["object", "list", "begun", "empty", "prose", "two", "bottomless"],
)
def test_only_one_json_value_is_whole(text: str, whole: bool) -> None:
    assert is_whole(text) is whole
