"""What a caller has of an output in the end, by each endpoint, streamed and whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from conformance.wire import DONE, EventReader, ServerEvent
from fuzz.asgi import call
from fuzz.outputs import Case
from fuzz.tape import TapeEngine
from starlette.types import ASGIApp

from tear_chain.tokens import ChainTokens

CHAT, RESPONSES, REFLECTIONS = "/v1/chat/completions", "/v1/responses", "/v1/reflections"


@dataclass(frozen=True)
class Bench:
    """One application whose engine plays one case after another."""

    app: ASGIApp
    engine: TapeEngine
    pieces: Mapping[int, bytes]
    """What every token of text is, as the tokenizer's file has it."""
    chain: ChainTokens

    async def post(self, case: Case, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        """A reply over a fresh tape; all that was begun for it has ended."""
        self.engine.load(case.tape, seed=case.name, sizes=case.sizes, fail_at=case.fail_at)
        status, content = await call(self.app, path, body)
        assert self.engine.open == 0, "a generation was left open"
        return status, content


@dataclass
class Told:
    """What a caller has in the end, however it came."""

    content: str = ""
    reasoning: str = ""
    reflection: Any = None
    finish: str | None = None
    usage: Any = None
    failed: bool = False
    scored: bytes | None = None
    """The bytes of the tokens that have log-probabilities."""


async def told_by_chat(bench: Bench, case: Case, body: dict[str, Any]) -> Told | None:
    status, content = await bench.post(case, CHAT, body)
    reply = json.loads(content)
    if status != 200:
        return _refused(status, reply)
    [choice] = reply["choices"]
    message = choice["message"]
    assert message.get("reasoning") == message.get("reasoning_content")
    reflection = _untimed(message.get("reflection"))
    told = Told(message["content"], message.get("reasoning", ""), reflection, choice["finish_reason"], reply["usage"])
    told.scored = _scored(choice["logprobs"])
    return told


async def told_by_chat_stream(bench: Bench, case: Case, body: dict[str, Any]) -> Told | None:
    options = {"stream": True, "stream_options": {"include_usage": True}}
    status, content = await bench.post(case, CHAT, {**body, **options})
    if status != 200:
        return _refused(status, json.loads(content))
    *events, last = _events(content)
    assert last.data == DONE
    told = Told()
    for event in events:
        chunk = event.json()
        if "error" in chunk:
            assert (event, chunk["error"]["code"]) == (events[-1], "engine_error")
            told.failed = True
            continue
        told.usage = chunk.get("usage")
        for choice in chunk["choices"]:
            delta = choice["delta"]
            assert not (delta.get("content") and delta.get("reasoning"))
            told.content += delta.get("content", "")
            told.reasoning += delta.get("reasoning", "")
            told.reflection = _untimed(delta.get("reflection"))
            told.finish = choice["finish_reason"]
            if (scored := _scored(choice["logprobs"])) is not None:
                told.scored = (told.scored or b"") + scored
    return told


async def told_by_response(bench: Bench, case: Case, body: dict[str, Any]) -> Told:
    status, content = await bench.post(case, RESPONSES, body)
    reply = json.loads(content)
    return _of_response(reply) if status == 200 else _refused(status, reply) or Told()


async def told_by_response_stream(bench: Bench, case: Case, body: dict[str, Any]) -> Told:
    status, content = await bench.post(case, RESPONSES, {**body, "stream": True})
    if status != 200:
        return _refused(status, json.loads(content)) or Told()
    events = [event.json() for event in _events(content)]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    told = _of_response(events[-1]["response"])
    for name, text in (("output_text", told.content), ("reasoning_text", told.reasoning)):
        assert text == "".join(event["delta"] for event in events if event["type"] == f"response.{name}.delta")
    return told


def _of_response(response: Any) -> Told:
    told = Told(reflection=_untimed(response["reflection"]), finish=response["status"], usage=response["usage"])
    told.failed = response["status"] == "failed"
    for item in response["output"]:
        [part] = item["content"]
        if item["type"] == "message":
            told.content += part["text"]
        else:
            told.reasoning += part["text"]
    return told


async def told_by_reflection(bench: Bench, case: Case, body: dict[str, Any]) -> Told:
    status, content = await bench.post(case, REFLECTIONS, body)
    reply = json.loads(content)
    return _of_reflection(reply) if status == 200 else _refused(status, reply) or Told()


async def told_by_reflection_stream(bench: Bench, case: Case, body: dict[str, Any]) -> Told:
    status, content = await bench.post(case, REFLECTIONS, {**body, "stream": True})
    if status != 200:
        return _refused(status, json.loads(content)) or Told()
    *events, last = _events(content)
    if last.name == "reflection.failed":
        return Told(failed=True)
    told = _of_reflection(last.json()["reflection"])
    said = {"draft": "", "witness": "", "revised": ""}
    for event in events:
        if event.name == "text.delta":
            said[event.json()["stage"]] += event.json()["text"]
    assert said["draft"] in (told.reflection["draft"], "")
    assert (said["revised"] or told.content) == told.content or not said["revised"].strip()
    return told


def _of_reflection(reflection: Any) -> Told:
    return Told(content=reflection["answer"], reflection=_untimed(reflection))


def _scored(logprobs: Any) -> bytes | None:
    return None if logprobs is None else b"".join(bytes(entry["bytes"]) for entry in logprobs["content"])


def _events(content: bytes) -> list[ServerEvent]:
    reader = EventReader()
    events = reader.feed(content)
    assert reader.is_between_events
    assert set(reader.fields) <= {"event", "data"}
    return events


def _refused(status: int, reply: Any) -> Told | None:
    """A failure, or None for a request that was not begun."""
    code = reply["error"]["code"]
    assert (status, code) in ((500, "engine_error"), (400, "invalid_request"))
    return Told(failed=True) if status == 500 else None


def _untimed(reflection: Any) -> Any:
    """Without what two runs never share."""
    if reflection is None:
        return None
    stages = [
        {name: value for name, value in report.items() if name in ("stage", "tokens", "prompt_tokens", "finish")}
        for report in reflection["stages"]
    ]
    return {**reflection, "id": "", "stages": stages}
