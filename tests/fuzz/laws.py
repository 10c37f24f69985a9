"""What holds whatever a model writes, checked over all endpoints for one output."""

from __future__ import annotations

import codecs
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from conformance.wire import DONE, EventReader, ServerEvent
from fuzz.asgi import call
from fuzz.outputs import Case
from fuzz.tape import TapeEngine
from starlette.types import ASGIApp
from stories import asking

from tear_chain.words import CUTS, Outcome, Problem, Status

QUESTION = "Am I any good?"
CHAT, RESPONSES, REFLECTIONS = "/v1/chat/completions", "/v1/responses", "/v1/reflections"
ALONE = {"presence_penalty": 0.1}
"""Makes every stage a request of its own."""
MARKS = (
    "<draft>",
    "<witness>",
    "<who>",
    "<impact>",
    "<ripples>",
    "<weight>",
    "<w",
    "<keep>",
    "<revise>",
    "</s>",
    "[INST]",
)


@dataclass(frozen=True)
class Bench:
    """One application whose engine plays one case after another."""

    app: ASGIApp
    engine: TapeEngine
    pieces: Mapping[int, bytes]
    """What every token of text is, as the tokenizer's file has it."""

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


async def check(bench: Bench, case: Case) -> None:
    """All laws for one output."""
    options = {"draft": case.draft, "revise_threshold": case.threshold}
    given = {name: value for name, value in options.items() if value is not None}
    limit = {} if case.limit is None else {"max_completion_tokens": case.limit}
    chat = asking(QUESTION, stop=list(case.stop), reflection=given, **limit)
    whole = await _chat(bench, case, chat)
    streamed = await _chat_stream(bench, case, chat)
    assert (whole is None) is (streamed is None)
    alone = await _chat(bench, case, {**chat, **ALONE})
    if whole is None or streamed is None or alone is None:
        return
    if not alone.failed:
        _check_answer(bench, case, alone)
        _check_reflection(alone)
    _check_same(whole, streamed)
    _check_alone(case, whole, alone)
    if case.is_hidden:
        hidden = await _chat(bench, case, {**chat, "include_reasoning": False})
        assert hidden == replace(whole, reasoning="", reflection=None)
    if not case.spells:
        assert not [mark for mark in MARKS if mark in whole.content + whole.reasoning]

    plain = {"input": QUESTION, "reflection": given, "max_output_tokens": case.limit}
    response = await _response(bench, case, plain)
    _check_same(response, await _response_stream(bench, case, plain))
    reflection = await _reflection(bench, case, {**asking(QUESTION), **given, **limit})
    _check_same(reflection, await _reflection_stream(bench, case, {**asking(QUESTION), **given, **limit}))
    assert (response.content, response.failed) == (reflection.content, reflection.failed)
    assert response.reflection == reflection.reflection
    if not case.stop:
        assert (whole.content, whole.failed) == (response.content, response.failed)
        assert whole.reflection == response.reflection


def _check_same(one: Told, other: Told) -> None:
    """Two ways to the same reply; one that failed has told only a part of it, or nothing."""
    assert one.failed is other.failed
    if one.failed:
        return
    assert one.content == other.content
    assert one.reasoning == other.reasoning
    assert one.reflection == other.reflection
    assert (one.finish, one.usage) == (other.finish, other.usage)


def _check_alone(case: Case, whole: Told, alone: Told) -> None:
    """One request for all stages makes the same of an output as a request for each.

    But what is watched: of one request only the tokens behind `<weight>`, so that a decision anywhere else has no
    probability, and no threshold overrules it.
    """
    assert whole.failed is alone.failed
    if whole.failed:
        return
    unseen = {name for name in ("expected_weight", "revise_probability") if whole.reflection[name] is None}
    seen_alone = {name for name in unseen if alone.reflection[name] is not None}
    assert not seen_alone or alone.reflection["status"] != Status.COMPLETE
    if "revise_probability" in seen_alone and case.threshold is not None:
        for name in ("draft", "witness"):
            assert whole.reflection[name] == alone.reflection[name]
        return
    # What comes in one part with the end of a stage was written, and counts, though nothing is made of it.
    parts = max(case.sizes) > 1
    assert _pruned(whole.reflection, seen_alone, parts=parts) == _pruned(alone.reflection, seen_alone, parts=parts)
    assert (whole.content, whole.finish) == (alone.content, alone.finish)
    assert seen_alone or whole.reasoning == alone.reasoning


def _check_answer(bench: Bench, case: Case, told: Told) -> None:
    """The answer is what the engine wrote for it, to the last whole character before an end or a stop string."""
    reflection, written = told.reflection, bench.engine.written
    draft = case.draft or _text(bench, written["draft"], case.stop)
    assert reflection["draft"] == draft
    revised = _text(bench, written["revised"], case.stop) if "revised" in written else ""
    assert told.content == reflection["answer"] == (revised if revised.strip() else draft)
    assert ("revised" in written) is (reflection["decision"] == "revise")
    assert told.usage["completion_tokens"] == sum(map(len, written.values()))


def _check_reflection(told: Told) -> None:
    reflection = told.reflection
    problems = {Problem(problem) for problem in reflection["problems"]}
    status, outcome = Status(reflection["status"]), Outcome(reflection["outcome"])
    assert len(problems) == len(reflection["problems"])
    assert (status is Status.COMPLETE) <= (not problems)
    assert (status is Status.TRUNCATED) <= bool(problems & CUTS)
    assert (status is Status.MALFORMED) <= bool(problems - CUTS)
    assert outcome in (Outcome.KEPT, Outcome.REVISED) or outcome.value == status.value
    assert told.finish == ("length" if reflection["answer_cut"] else "stop")
    usage = told.usage
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens"] == sum(report["tokens"] for report in reflection["stages"])
    assert 0 <= usage["completion_tokens_details"]["reasoning_tokens"] <= usage["completion_tokens"]


def _text(bench: Bench, tokens: Sequence[int], stops: Sequence[str]) -> str:
    """Text up to the first control token, without the part of a character at its end, up to the first stop string."""
    end = next((place for place, token in enumerate(tokens) if token not in bench.pieces), len(tokens))
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(
        b"".join(map(bench.pieces.__getitem__, tokens[:end]))
    )
    found = [(place + len(stop), place) for stop in stops if (place := text.find(stop)) >= 0]
    return text[: min(found)[1]] if found else text


# How each endpoint tells it


async def _chat(bench: Bench, case: Case, body: dict[str, Any]) -> Told | None:
    status, content = await bench.post(case, CHAT, body)
    reply = json.loads(content)
    if status != 200:
        return _refused(status, reply)
    [choice] = reply["choices"]
    message = choice["message"]
    assert message.get("reasoning") == message.get("reasoning_content")
    reflection = _untimed(message.get("reflection"))
    return Told(message["content"], message.get("reasoning", ""), reflection, choice["finish_reason"], reply["usage"])


async def _chat_stream(bench: Bench, case: Case, body: dict[str, Any]) -> Told | None:
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
    return told


async def _response(bench: Bench, case: Case, body: dict[str, Any]) -> Told:
    status, content = await bench.post(case, RESPONSES, body)
    reply = json.loads(content)
    return _of_response(reply) if status == 200 else _refused(status, reply) or Told()


async def _response_stream(bench: Bench, case: Case, body: dict[str, Any]) -> Told:
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


async def _reflection(bench: Bench, case: Case, body: dict[str, Any]) -> Told:
    status, content = await bench.post(case, REFLECTIONS, body)
    reply = json.loads(content)
    return _of_reflection(reply) if status == 200 else _refused(status, reply) or Told()


async def _reflection_stream(bench: Bench, case: Case, body: dict[str, Any]) -> Told:
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


def _pruned(reflection: Any, names: Collection[str], *, parts: bool) -> Any:
    stages = [{**report, "tokens": 0} for report in reflection["stages"]] if parts else reflection["stages"]
    return {**reflection, **dict.fromkeys(names), "stages": stages}


def _untimed(reflection: Any) -> Any:
    """Without what two runs never share."""
    if reflection is None:
        return None
    stages = [
        {name: value for name, value in report.items() if name in ("stage", "tokens", "prompt_tokens", "finish")}
        for report in reflection["stages"]
    ]
    return {**reflection, "id": "", "stages": stages}
