"""What holds whatever a model writes, checked over all endpoints for one output."""

from __future__ import annotations

import codecs
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from fuzz.outputs import Case
from fuzz.told import (
    Bench,
    Told,
    told_by_chat,
    told_by_chat_stream,
    told_by_reflection,
    told_by_reflection_stream,
    told_by_response,
    told_by_response_stream,
)
from stories import asking

from tear_chain.words import CUTS, Field, Outcome, Problem, Status

QUESTION = "Am I any good?"
ALONE = {"presence_penalty": 0.1}
"""Makes every stage a request of its own."""
MARKS = ["<draft>", "<witness>", "<who>", "<impact>", "<ripples>", "<w", "<keep>", "<revise>", "</s>", "[INST]"]


async def check(bench: Bench, case: Case) -> None:
    """All laws for one output."""
    options = {"draft": case.draft, "revise_threshold": case.threshold}
    given = {name: value for name, value in options.items() if value is not None}
    limit = {} if case.limit is None else {"max_completion_tokens": case.limit}
    chat = asking(QUESTION, stop=list(case.stop), reflection=given, **limit)
    whole = await told_by_chat(bench, case, chat)
    streamed = await told_by_chat_stream(bench, case, chat)
    assert (whole is None) is (streamed is None)
    alone = await told_by_chat(bench, case, {**chat, **ALONE})
    if whole is None or streamed is None or alone is None:
        return
    if not alone.failed:
        _check_answer(bench, case, alone)
        _check_reflection(alone)
    _check_same(whole, streamed)
    _check_alone(case, whole, alone)
    if case.is_hidden:
        hidden = await told_by_chat(bench, case, {**chat, "include_reasoning": False})
        assert hidden == replace(whole, reasoning="", reflection=None)
    if case.is_scored:
        await _check_scores(bench, case, chat)
    if not case.spells:
        assert not [mark for mark in MARKS if mark in whole.content + whole.reasoning]

    plain = {"input": QUESTION, "reflection": given, "max_output_tokens": case.limit}
    response = await told_by_response(bench, case, plain)
    _check_same(response, await told_by_response_stream(bench, case, plain))
    reflection = await told_by_reflection(bench, case, {**asking(QUESTION), **given, **limit})
    _check_same(reflection, await told_by_reflection_stream(bench, case, {**asking(QUESTION), **given, **limit}))
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


async def _check_scores(bench: Bench, case: Case, chat: dict[str, Any]) -> None:
    """The tokens with log-probabilities are the answer, byte for byte."""
    asked = {**chat, "logprobs": True, "top_logprobs": 2}
    whole, streamed = await told_by_chat(bench, case, asked), await told_by_chat_stream(bench, case, asked)
    assert whole is not None
    assert streamed is not None
    _check_same(whole, streamed)
    if whole.failed:
        return
    assert whole.scored == streamed.scored
    if whole.scored is None:
        assert whole.content in ("", case.draft), "only what the model did not write has none"
    else:
        assert whole.scored == whole.content.encode()


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
    if "witness" in written:
        scene = _scene(bench, written["witness"])
        assert {field: reflection["witness"][field] for field in ("who", "impact", "ripples")} == scene


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


def _scene(bench: Bench, tokens: Sequence[int]) -> dict[str, str | None]:
    """The scene's texts: each behind its own first marker, as long as no later field has begun."""
    order, markers = list(Field), {token: field for field, token in bench.chain.fields.items()}
    texts, reached, now = dict.fromkeys(Field, b""), -1, None
    for token in tokens:
        if token in markers:
            place = order.index(markers[token])
            now = markers[token] if place > reached else None
            reached = max(place, reached)
        elif token in bench.pieces and now is not None:
            texts[now] += bench.pieces[token]
        elif token not in bench.pieces and token not in bench.chain.scene:
            break
    told = {field.value: codecs.getincrementaldecoder("utf-8")("replace").decode(text) for field, text in texts.items()}
    return {name: text if text.strip() else None for name, text in told.items() if name != Field.WEIGHT}


def _pruned(reflection: Any, names: Collection[str], *, parts: bool) -> Any:
    stages = [{**report, "tokens": 0} for report in reflection["stages"]] if parts else reflection["stages"]
    return {**reflection, **dict.fromkeys(names), "stages": stages}
