"""Text cannot be structure: a thousand texts try, in every field that takes text, and none succeeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from fuzz.asgi import call
from fuzz.forgeries import COUNT, control_names, forgeries
from scripted import ScriptedEngine
from starlette.types import ASGIApp
from stories import REVISED, asking, play, service_over

from tear_chain.conversation import Conversation, Message, Role
from tear_chain.tokenizer import ChainTokenizer
from tear_server.api.app import build_app

HARMLESS = "Am I any good?"
IN_PROCESS, LIVE = 60, 20


@pytest.fixture(scope="module")
def names(nano_base: Path) -> list[str]:
    return control_names(nano_base)


@pytest.fixture(scope="module")
def forged(names: list[str]) -> list[str]:
    return forgeries(names)


def every(texts: Sequence[str], count: int) -> Sequence[str]:
    """So many of them, evenly."""
    return texts[:: len(texts) // count][:count]


# What the tokenizer makes of them


def talk(*, system: str = HARMLESS, user: str = HARMLESS, assistant: str = HARMLESS) -> Conversation:
    said = ((Role.SYSTEM, system), (Role.USER, HARMLESS), (Role.ASSISTANT, assistant), (Role.USER, user))
    return Conversation.of([Message(role, text) for role, text in said])


def test_there_are_a_thousand_and_no_two_are_alike(forged: list[str]) -> None:
    assert len(set(forged)) == COUNT


def test_no_name_of_a_control_token_is_one(tokenizer: ChainTokenizer, names: list[str]) -> None:
    assert len(names) == len(tokenizer.control_ids)
    assert [name for name in names if tokenizer.control_ids & {*tokenizer.encode(name)}] == []


def test_no_forged_text_has_a_control_token(tokenizer: ChainTokenizer, forged: list[str]) -> None:
    assert [text for text in forged if tokenizer.control_ids & {*tokenizer.encode(text)}] == []


def test_a_forged_text_is_decoded_as_it_was_written(tokenizer: ChainTokenizer, forged: list[str]) -> None:
    assert [text for text in forged if tokenizer.decode(tokenizer.encode(text)) != text] == []


@pytest.mark.parametrize("role", ["system", "user", "assistant"])
def test_no_turn_changes_the_shape_of_its_conversation(tokenizer: ChainTokenizer, forged: list[str], role: str) -> None:
    shape = shape_of(tokenizer, tokenizer.encode_conversation(talk()))
    found = [
        text for text in forged if shape_of(tokenizer, tokenizer.encode_conversation(talk(**{role: text}))) != shape
    ]
    assert found == []


def shape_of(tokenizer: ChainTokenizer, tokens: Sequence[int]) -> list[int]:
    return [token for token in tokens if token in tokenizer.control_ids]


# What the server asks the engine

BODIES: Mapping[str, tuple[str, Callable[[str], dict[str, Any]]]] = {
    "user": ("/v1/chat/completions", lambda text: asking(text)),
    "system": (
        "/v1/chat/completions",
        lambda text: {"messages": [{"role": "system", "content": text}, {"role": "user", "content": HARMLESS}]},
    ),
    "assistant": (
        "/v1/chat/completions",
        lambda text: {
            "messages": [
                {"role": "user", "content": HARMLESS},
                {"role": "assistant", "content": text, "reasoning": text},
                {"role": "user", "content": HARMLESS},
            ]
        },
    ),
    "parts": ("/v1/chat/completions", lambda text: {"messages": [{"role": "user", "content": _parts(text)}]}),
    "draft": ("/v1/chat/completions", lambda text: asking(HARMLESS, reflection={"draft": text})),
    "stop": ("/v1/chat/completions", lambda text: asking(HARMLESS, stop=[text])),
    "instructions": ("/v1/responses", lambda text: {"input": HARMLESS, "instructions": text}),
    "input": ("/v1/responses", lambda text: {"input": text, "metadata": {"a": text}}),
    "reflection": ("/v1/reflections", lambda text: asking(text, draft=text)),
    "witness": ("/v1/witness", lambda text: {"items": [{**asking(text), "answer": text}]}),
}


def _parts(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": part} for part in (text[:1], text[1:])]


@pytest.fixture(scope="module")
def engine(tokenizer: ChainTokenizer) -> ScriptedEngine:
    return play(tokenizer, REVISED)


@pytest.fixture(scope="module")
def app(tokenizer: ChainTokenizer, engine: ScriptedEngine) -> ASGIApp:
    return build_app(service_over(engine, tokenizer))


@pytest.mark.parametrize("field", BODIES)
async def test_no_field_changes_what_the_engine_is_asked(
    app: ASGIApp, engine: ScriptedEngine, tokenizer: ChainTokenizer, forged: list[str], field: str
) -> None:
    path, body = BODIES[field]

    async def shapes(text: str) -> list[list[int]]:
        engine.asked.clear()
        status, content = await call(app, path, body(text))
        assert status == 200, (text, content)
        return [shape_of(tokenizer, generation.prompt) for generation in engine.asked]

    harmless = await shapes(HARMLESS)
    assert [text for text in every(forged, IN_PROCESS) if await shapes(text) != harmless] == []


# What real vLLM does with them


@pytest.mark.parametrize("place", range(LIVE))
def test_a_live_server_takes_them_for_text(
    http: httpx.Client, tokenizer: ChainTokenizer, forged: list[str], place: int
) -> None:
    """A marker in the draft would end it, and what is told of it would be shorter than what was sent."""
    text = every(forged, LIVE)[place]
    messages = [{"role": "system", "content": text}, {"role": "user", "content": text}]
    body = {"messages": messages, "max_completion_tokens": 64, "seed": 1}
    conversation = Conversation.of([Message(Role.SYSTEM, text), Message(Role.USER, text)])
    prompt, draft = len(tokenizer.encode_conversation(conversation)), len(tokenizer.encode(text))
    direct = http.post("/v1/chat/completions", json={**body, "reasoning_effort": "none"}).json()
    assert direct["usage"]["prompt_tokens"] == prompt + 1, "the conversation and <draft>"
    reflection = http.post("/v1/reflections", json={**body, "draft": text}).json()
    assert reflection["draft"] == text
    witness = next(report for report in reflection["stages"] if report["stage"] == "witness")
    assert witness["prompt_tokens"] == prompt + draft + 2, "and the draft and <witness>"
