"""Conversations as clients send them, and text that comes back as it went in."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from conformance.recorded import CHAT, MESSAGES, QUESTION, Target, ask, stream
from conformance.wire import deltas

TEXTS = {
    "emoji": "Ja 👩‍👩‍👧‍👦🏳️‍🌈 👍🏽!",
    "cjk": "漢字とかな、한국어。",
    "right-to-left": "שלום مرحبا ‮reversed‬",
    "combining": "e\u0301 Z\u0351\u0343\u0349a\u0334\u0316lgo",
    "composed": "\u00e9 \ufb01 \u212b",
    "zero-width": "a\u200bb\u200dc\ufeffd",
    "beyond-the-first-plane": "𝔘𝔫𝔦 𐍈 🀄",
    "lines": "one\ntwo\r\nthree\ttab\u2028four\u2029five\u0085six",
    "controls": "bell\x07 escape\x1b[31m delete\x7f",
    "quotes": '"quoted" \\back\\ /slash/ \\u0041 {"json": [1]}',
    "markup": "<b>bold</b> &amp; <!-- --> </think> <think>",
    "stream-like": "data: [DONE]\n\ndata: {}\n\nevent: x\nid: 1\n: comment",
    "spaces": "  two before and one after ",
    "unassigned": "\U000e0041\ufdd0\uffff\U0010ffff",
}
TEXT = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())


def drafted(target: Target, text: str, **fields: Any) -> dict[str, Any]:
    """A request whose draft comes back in the reply, whatever is generated."""
    return {"model": target.model, "messages": MESSAGES, "max_tokens": 64, "reflection": {"draft": text}, **fields}


@TEXT
def test_text_comes_back_as_it_went_in(http: httpx.Client, target: Target, text: str) -> None:
    message = ask(http, drafted(target, text))["choices"][0]["message"]
    assert message["reflection"]["draft"] == text
    assert f"Draft: {text}\n" in message["reasoning"]


@pytest.mark.parametrize("kind", ["emoji", "lines", "stream-like", "unassigned"])
def test_streamed_text_comes_back_as_it_went_in(http: httpx.Client, target: Target, kind: str) -> None:
    body = drafted(target, TEXTS[kind], stream=True)
    told = deltas(stream(http, CHAT, body).chunks())
    assert "".join(delta.get("reasoning", "") for delta in told).startswith(f"Draft: {TEXTS[kind]}\n")


@TEXT
def test_any_text_can_be_said(http: httpx.Client, target: Target, text: str) -> None:
    messages = [{"role": "system", "content": text}, {"role": "user", "content": text}]
    reply = ask(http, {"model": target.direct, "messages": messages, "max_tokens": 2})
    assert reply["usage"]["completion_tokens"] == 2


@pytest.mark.parametrize("where", ["messages", "draft", "stop", "model"])
def test_a_null_character_is_refused(http: httpx.Client, target: Target, where: str) -> None:
    """Much that text goes through on its way, databases among them, ends it there."""
    body: dict[str, Any] = {"model": target.model, "messages": MESSAGES}
    match where:
        case "messages":
            body["messages"] = [{"role": "user", "content": "a\0b"}]
        case "draft":
            body["reflection"] = {"draft": "a\0b"}
        case _:
            body[where] = "a\0b"
    reply = http.post(CHAT, json=body)
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["param"].split(".")[0].split("[")[0] == {"draft": "reflection"}.get(where, where)


# Conversations


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_system_prompt_is_read(http: httpx.Client, target: Target, role: str) -> None:
    plain = {"model": target.direct, "messages": MESSAGES, "max_tokens": 1}
    told = {**plain, "messages": [{"role": role, "content": "Be kind and brief."}, *MESSAGES]}
    assert ask(http, told)["usage"]["prompt_tokens"] > ask(http, plain)["usage"]["prompt_tokens"]


def test_earlier_turns_are_read(http: httpx.Client, target: Target) -> None:
    counts = []
    for turns in range(3):
        messages = [turn for _ in range(turns) for turn in (*MESSAGES, {"role": "assistant", "content": "I hear you."})]
        body = {"model": target.direct, "messages": [*messages, *MESSAGES], "max_tokens": 1}
        counts.append(ask(http, body)["usage"]["prompt_tokens"])
    assert counts[0] < counts[1] < counts[2]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content", "reflection", "refusal", "annotations", "name"])
def test_what_an_earlier_turn_has_beside_its_answer_is_not_read(http: httpx.Client, target: Target, field: str) -> None:
    value = {"reflection": {"draft": "no"}, "annotations": []}.get(field, "Draft: no")
    counts = set()
    for extra in ({}, {field: value}):
        turns = [*MESSAGES, {"role": "assistant", "content": "I hear you.", **extra}, *MESSAGES]
        counts.add(ask(http, {"model": target.direct, "messages": turns, "max_tokens": 1})["usage"]["prompt_tokens"])
    assert len(counts) == 1


def test_a_reply_can_be_sent_back_as_it_came(http: httpx.Client, target: Target) -> None:
    body = {"model": target.model, "messages": MESSAGES, "max_tokens": 160}
    message = ask(http, body)["choices"][0]["message"]
    assert ask(http, {**body, "messages": [*MESSAGES, message, {"role": "user", "content": "Thank you."}]})["choices"]


def test_parts_of_text_are_one_text(http: httpx.Client, target: Target) -> None:
    whole = [{"role": "user", "content": f"{QUESTION}\nReally."}]
    parts = [{"role": "user", "content": [{"type": "text", "text": QUESTION}, {"type": "text", "text": "Really."}]}]
    bodies = [
        {"model": target.direct, "messages": messages, "temperature": 0, "max_tokens": 8} for messages in (whole, parts)
    ]
    first, second = (ask(http, body) for body in bodies)
    assert first["usage"]["prompt_tokens"] == second["usage"]["prompt_tokens"]
    assert first["choices"][0]["message"] | {"reflection": 0} == second["choices"][0]["message"] | {"reflection": 0}


@pytest.mark.parametrize(
    "fields",
    [
        {"user": "somebody"},
        {"store": False},
        {"metadata": {"a": "b"}},
        {"logit_bias": {}},
        {"service_tier": "auto"},
        {"parallel_tool_calls": True},
        {"tools": []},
        {"tool_choice": "auto"},
        {"response_format": {"type": "text"}},
        {"logprobs": False},
        {"stream_options": None},
        {"stop": None},
        {"stop": []},
        {"n": None},
        {"seed": None},
        {"temperature": None, "top_p": None},
        {"reasoning_effort": "high"},
        {"chat_template_kwargs": {}},
        {"nobody_knows": [{"this": None}]},
    ],
    ids=lambda fields: "-".join(f"{name}={value}" for name, value in fields.items()).replace(" ", ""),
)
def test_what_clients_send_by_habit_is_accepted(http: httpx.Client, target: Target, fields: dict[str, Any]) -> None:
    ask(http, {"model": target.direct, "messages": MESSAGES, "max_tokens": 1, **fields})
