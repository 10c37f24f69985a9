"""JSON as the form of an answer: whether a text can be held to a schema, and whether it is whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from llguidance import LLMatcher

from tear_chain.errors import InvalidRequest

ANY_OBJECT = '{"type": "object"}'
MAX_SCHEMA_BYTES = 32 << 10
"""What a schema costs to read grows with its length: a tenth of a second at this one."""
MAX_NESTING = 64
"""Objects and lists within one another; vLLM takes no more."""


async def read_schema(schema: Mapping[str, Any], *, param: str) -> str:
    """The JSON schema as the engine takes it; raise `InvalidRequest` naming `param` if no text can be held to it.

    The engine asks the same library, in the midst of its work; here it is asked before, in a thread. It bounds its own
    work, however a schema is made.
    """
    if _is_deeper(schema, MAX_NESTING):
        raise InvalidRequest(f"{param} is nested more than {MAX_NESTING} deep.", param=param)
    text = json.dumps(schema)
    if len(text) > MAX_SCHEMA_BYTES:
        raise InvalidRequest(f"{param} is longer than {MAX_SCHEMA_BYTES} bytes.", param=param)
    if fault := await asyncio.to_thread(_fault, text):
        raise InvalidRequest(f"{param} cannot be used: {fault}", param=param)
    return text


def is_whole(text: str) -> bool:
    """Whether a text is JSON from beginning to end."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_deeper(value: object, limit: int) -> bool:
    # Level by level: a value may be nested deeper than Python calls functions.
    level = [value]
    for _ in range(limit):
        level = [
            child
            for each in level
            for child in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
            if isinstance(child, dict | list)
        ]
    return bool(level)


def _fault(schema: str) -> str | None:
    try:
        grammar = LLMatcher.grammar_from_json_schema(schema)
    except ValueError as exc:
        fault = str(exc)
    else:
        fault = LLMatcher.validate_grammar(grammar)
    line = " ".join(fault.split())
    return None if not line else line if line.endswith(".") else f"{line}."
