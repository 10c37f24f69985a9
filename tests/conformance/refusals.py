"""Requests that must be refused, and the field that the refusal must name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

NAN, INFINITY = float("nan"), float("inf")
HALF = "half \ud83d"
"""Half of a surrogate pair: JSON can write it, no text can hold it."""
ASKED: list[Any] = [{"role": "user", "content": "Hello."}]
PATHS: Mapping[str, str] = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "reflections": "/v1/reflections",
    "witness": "/v1/witness",
}
GOOD: Mapping[str, Mapping[str, Any]] = {
    "chat": {"messages": ASKED},
    "responses": {"input": "Hello."},
    "reflections": {"messages": ASKED},
    "witness": {"items": [{"messages": ASKED, "answer": "Hi."}]},
}
"""What would be answered, but for the fields of a refusal."""


@dataclass(frozen=True)
class Refusal:
    """A request with one fault."""

    name: str
    endpoint: str
    fields: Mapping[str, Any]
    param: str
    status: int = 400
    code: str = "invalid_request"

    @property
    def body(self) -> bytes:
        """JSON as a careless client writes it, `NaN` and half characters included."""
        return json.dumps({**GOOD[self.endpoint], **self.fields}).encode()


NOT_TEXT: tuple[Any, ...] = (1, [], {}, True)
NOT_NUMBERS: tuple[Any, ...] = ("warm", [], {}, NAN, INFINITY, -INFINITY, 1e400)
NOT_COUNTS: tuple[Any, ...] = ("many", 1.5, [], {}, 0, -1, NAN, INFINITY, -(10**30))
NOT_SEEDS: tuple[Any, ...] = ("luck", 1.5, [], {}, 2**63, -(2**63) - 1, 10**400, NAN, INFINITY)
NOT_FLAGS: tuple[Any, ...] = ("perhaps", 2, [], {})

NOT_SCHEMAS: tuple[Any, ...] = tuple(
    {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    for schema in (1, [], {"type": "poem"}, {"$ref": "http://elsewhere.example/a"}, {"not": {}})
)
SAMPLING: Mapping[str, tuple[Any, ...]] = {
    "temperature": (*NOT_NUMBERS, -0.1, 2.1),
    "top_p": (*NOT_NUMBERS, 0, -0.5, 1.1),
    "seed": NOT_SEEDS,
}
WRONG: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "chat": {
        "messages": ("Hello.", 1, {}, []),
        "model": (*NOT_TEXT, HALF),
        **SAMPLING,
        "max_tokens": NOT_COUNTS,
        "max_completion_tokens": NOT_COUNTS,
        "n": (*NOT_COUNTS, 9, 2**31),
        "frequency_penalty": (*NOT_NUMBERS, -2.1, 2.1),
        "presence_penalty": (*NOT_NUMBERS, -2.1, 2.1),
        "stop": (1, {}, [1], "", [""], ["a", "b", "c", "d", "e"], HALF, [HALF]),
        "stream": NOT_FLAGS,
        "stream_options": ("usage", 1, []),
        "include_reasoning": NOT_FLAGS,
        "reasoning_effort": (1, [], {}),
        "reflection": ("off", 1, [], {"max_draft_tokens": 0}, {"max_witness_tokens": 10**6}, {"expose": ["all"]}),
        "response_format": ("text", 1, [], {}, {"type": "poem"}, {"type": "json_schema"}, *NOT_SCHEMAS),
        "logprobs": NOT_FLAGS,
        "top_logprobs": ("many", 1.5, [], {}, -1, 21, 5),
        "tools": ("all", {}, [{"type": "function", "function": {"name": "look_up"}}]),
        "functions": ("all", {}, [{"name": "look_up"}]),
        "tool_choice": ("required", {"type": "function", "function": {"name": "look_up"}}),
    },
    "responses": {
        "input": (1, {}, []),
        "instructions": (*NOT_TEXT, HALF),
        "model": (*NOT_TEXT, HALF),
        **SAMPLING,
        "max_output_tokens": NOT_COUNTS,
        "stream": NOT_FLAGS,
        "metadata": ("a", [], {"a": 1}, {"a": HALF}, {HALF: "a"}),
        "reasoning": ("high", 1, []),
        "reflection": ("off", 1, []),
        "text": ("plain", 1, [], {"format": "text"}, {"format": {}}, {"format": {"type": "json_schema"}}),
        "top_logprobs": ("many", 1.5, [], {}, -1, 21),
        "tools": ("all", {}, [{"type": "function", "name": "look_up"}]),
        "previous_response_id": ("resp_1",),
        "conversation": ("conv_1",),
        "prompt": ({"id": "pmpt_1"},),
        "background": (True, "perhaps"),
    },
    "reflections": {
        "messages": ("Hello.", 1, {}, []),
        "model": (*NOT_TEXT, HALF),
        "draft": (*NOT_TEXT, HALF, "", " \n"),
        **SAMPLING,
        "max_completion_tokens": NOT_COUNTS,
        "revise_threshold": (*NOT_NUMBERS, -0.1, 1.1),
        "stream": NOT_FLAGS,
        "nobody_knows": (1,),
    },
    "witness": {
        "items": ("Hello.", 1, {}, [], [1], ["a"]),
        "model": (*NOT_TEXT, HALF),
        **SAMPLING,
        "revise_threshold": (*NOT_NUMBERS, -0.1, 1.1),
        "nobody_knows": (1,),
    },
}
"""Values that no field of that name takes."""


def wrong_fields() -> Iterator[Refusal]:
    """One refusal for each endpoint, field and wrong value."""
    for endpoint, fields in WRONG.items():
        for field, values in fields.items():
            for place, value in enumerate(values):
                yield Refusal(f"{endpoint}-{field}-{place}", endpoint, {field: value}, field)


def _chat(name: str, param: str, **fields: Any) -> Refusal:
    return Refusal(f"chat-{name}", "chat", fields, param)


def _saying(name: str, param: str, *messages: Any) -> Refusal:
    return _chat(name, param, messages=list(messages))


def _input(name: str, param: str, /, **item: Any) -> Refusal:
    return Refusal(f"responses-{name}", "responses", {"input": [item]}, param)


USER = ASKED[0]
TOLD = {"role": "assistant", "content": "Hi."}
RULES = {"role": "system", "content": "Be kind."}
IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}

NAMED: tuple[Refusal, ...] = (
    _saying("role-missing", "messages[0].role", {"content": "Hello."}),
    _saying("role-unknown", "messages[0].role", {"role": "poet", "content": "Hello."}),
    _saying("role-number", "messages[0].role", {"role": 1, "content": "Hello."}),
    _saying("role-tool", "messages[0].role", {"role": "tool", "content": "4", "tool_call_id": "a"}),
    _saying("content-missing", "messages[0].content", {"role": "user"}),
    _saying("content-null", "messages[0].content", {"role": "user", "content": None}),
    _saying("content-number", "messages[0].content", {"role": "user", "content": 1}),
    _saying("content-object", "messages[0].content", {"role": "user", "content": {"text": "Hello."}}),
    _saying("content-empty", "messages[0]", {"role": "user", "content": ""}),
    _saying("content-blank", "messages[0]", {"role": "user", "content": " \n\t"}),
    _saying("content-half", "messages[0].content", {"role": "user", "content": HALF}),
    _saying("content-null-character", "messages[0].content", {"role": "user", "content": "a\0b"}),
    _saying("parts-none", "messages[0]", {"role": "user", "content": []}),
    _saying("part-image", "messages[0].content[0]", {"role": "user", "content": [IMAGE]}),
    _saying("part-no-text", "messages[0].content[0]", {"role": "user", "content": [{"type": "text"}]}),
    _saying("part-no-type", "messages[0].content[0].type", {"role": "user", "content": [{"text": "Hello."}]}),
    _saying("part-number", "messages[0].content[0]", {"role": "user", "content": [1]}),
    _saying("message-number", "messages[0]", 1),
    _saying("message-null", "messages[1]", USER, None),
    _saying("third-message", "messages[2].role", USER, TOLD, {"role": "poet", "content": "Hello."}),
    _saying("assistant-first", "messages[0]", TOLD, USER),
    _saying("assistant-last", "messages", USER, TOLD),
    _saying("system-alone", "messages", RULES),
    _saying("system-later", "messages[1]", USER, RULES),
    _saying("system-twice", "messages[1]", RULES, RULES, USER),
    _saying("user-twice", "messages[1]", USER, USER),
    _chat("reflection-unknown-key", "reflection.depth", reflection={"depth": 3}),
    _chat("reflection-mode", "reflection.mode", reflection={"mode": "deep"}),
    _chat("reflection-threshold", "reflection.revise_threshold", reflection={"revise_threshold": 2}),
    _chat("reflection-threshold-nan", "reflection.revise_threshold", reflection={"revise_threshold": NAN}),
    _chat("reflection-draft-number", "reflection.draft", reflection={"draft": 1}),
    _chat("reflection-draft-half", "reflection.draft", reflection={"draft": HALF}),
    _chat("usage-perhaps", "stream_options.include_usage", stream=True, stream_options={"include_usage": "perhaps"}),
    Refusal("chat-model-unknown", "chat", {"model": "gpt-5"}, "model", 404, "model_not_found"),
    Refusal("chat-model-empty", "chat", {"model": ""}, "model", 404, "model_not_found"),
    Refusal("chat-model-endless", "chat", {"model": "m" * 100_000}, "model", 404, "model_not_found"),
    Refusal("responses-model-unknown", "responses", {"model": "gpt-5"}, "model", 404, "model_not_found"),
    Refusal("reflections-model-unknown", "reflections", {"model": "gpt-5"}, "model", 404, "model_not_found"),
    Refusal("witness-model-unknown", "witness", {"model": "gpt-5"}, "model", 404, "model_not_found"),
    _saying("role-endless", "messages[0].role", {"role": "r" * 100_000, "content": "Hello."}),
    _input("item-kind", "input[0].type", type="function_call", call_id="a"),
    _input("item-role", "input[0].role", role="poet", content="Hello."),
    _input("item-no-content", "input[0].content", role="user"),
    _input("item-content-number", "input[0].content", role="user", content=1),
    _input("item-content-half", "input[0].content", role="user", content=HALF),
    _input("item-image", "input[0].content[0]", role="user", content=[{"type": "input_image", "image_url": "data:,"}]),
    Refusal("responses-input-half", "responses", {"input": HALF}, "input"),
    Refusal("responses-input-blank", "responses", {"input": " "}, "input"),
    Refusal("responses-effort", "responses", {"reasoning": {"effort": 1}}, "reasoning.effort"),
    Refusal("responses-format", "responses", {"text": {"format": {"type": "poem"}}}, "text.format.type"),
    Refusal("witness-no-answer", "witness", {"items": [{"messages": ASKED}]}, "items[0].answer"),
    _saying("content-blanks", "messages", {"role": "user", "content": " " * 2_000_000 + "a"}),
    Refusal("witness-blank", "witness", {"items": [{"messages": ASKED, "answer": " "}]}, "items[0].answer"),
    Refusal("witness-no-messages", "witness", {"items": [{"answer": "Hi."}]}, "items[0].messages"),
    Refusal(
        "witness-second", "witness", {"items": [*GOOD["witness"]["items"], {"messages": ASKED}]}, "items[1].answer"
    ),
    Refusal("witness-more", "witness", {"items": [{**GOOD["witness"]["items"][0], "why": 1}]}, "items[0].why"),
    Refusal("witness-too-many", "witness", {"items": GOOD["witness"]["items"] * 65}, "items"),
)
"""Faults with a place of their own."""

UNREADABLE: Mapping[str, tuple[bytes, str]] = {
    "nothing": (b"", "application/json"),
    "no-json": (b"{nope", "application/json"),
    "cut-short": (b'{"messages": [{"role": "us', "application/json"),
    "two-objects": (b"{} {}", "application/json"),
    "list": (b"[]", "application/json"),
    "text": (b'"Hello."', "application/json"),
    "number": (b"1", "application/json"),
    "null": (b"null", "application/json"),
    "deep-list": (b"[" * 200_000, "application/json"),
    "deep-object": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "application/json"),
    "deep-messages": (b'{"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "application/json"),
    "latin-1": (b'{"messages":[{"role":"user","content":"caf\xe9"}]}', "application/json"),
    "raw-null": (b'{"messages":[{"role":"user","content":"a\x00b"}]}', "application/json"),
    "endless-number": (b'{"seed":' + b"1" * 100_000 + b"}", "application/json"),
    "plain-text": (b'{"messages":[{"role":"user","content":"Hello."}]}', "text/plain"),
    "form": (b"messages=Hello.", "application/x-www-form-urlencoded"),
    "multipart": (
        b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\nb\r\n--x--',
        "multipart/form-data; boundary=x",
    ),
    "no-kind": (b'{"messages":[{"role":"user","content":"Hello."}]}', ""),
}
"""Bodies that are no JSON object, and what they say they are."""
