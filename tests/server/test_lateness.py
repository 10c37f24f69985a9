"""Stages that run out of time: what is answered all the same, and when nothing can be."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from scripted import ScriptedEngine
from stories import ADAPTER, ANSWER, DRAFT, KEPT, LIMITS, MODEL, REVISED, Story, play

from tear_chain.conversation import Conversation
from tear_chain.errors import EngineLate
from tear_chain.events import Completed, Event
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Decision, Problem, Reflection, Scene, Stage
from tear_server.deadline import Deadlines
from tear_server.engine import Sampling
from tear_server.reflection import ReflectionRequest, Reflector

RELAYED = pytest.mark.parametrize(
    "sampling", [Sampling(), Sampling(presence_penalty=0.1)], ids=["one-request", "a-request-each"]
)
STAGES = pytest.mark.parametrize("stage", list(Stage))
FIELDS = {Stage.DRAFT: "draft_s", Stage.WITNESS: "witness_s", Stage.REVISED: "revision_s"}


def hung(tokenizer: ChainTokenizer, story: Story, stage: Stage) -> tuple[ScriptedEngine, Deadlines]:
    """An engine that never says a word in `stage`, and a deadline of that stage that is soon over."""
    return play(tokenizer, story, hang_in=stage), Deadlines(**{FIELDS[stage]: 0.03})


def slow(tokenizer: ChainTokenizer, story: Story, stage: Stage, *, after: int = 2) -> tuple[ScriptedEngine, Deadlines]:
    """An engine for which the clock jumps over all deadlines once it has written so many tokens of `stage`, and one."""
    now_s = [0.0]

    def jump() -> None:
        now_s[0] += 10_000

    engine = play(tokenizer, story, hang_in=stage, hang_after=after, on_hang=jump)
    return engine, Deadlines(1000, 1000, 1000, clock=lambda: now_s[0])


async def events_of(
    tokenizer: ChainTokenizer, engine: ScriptedEngine, *, deadlines: Deadlines, **fields: Any
) -> list[Event]:
    reflector = Reflector(engine, tokenizer, limits=LIMITS, deadlines=deadlines)
    request = {
        "id": "refl-1",
        "model": MODEL,
        "adapter": ADAPTER,
        "conversation": Conversation.asking("Am I any good?"),
    } | fields
    async with aclosing(reflector.reflect(reflector.plan(ReflectionRequest(**request)))) as events:
        return [event async for event in events]


async def reflect(tokenizer: ChainTokenizer, scene: tuple[ScriptedEngine, Deadlines], **fields: Any) -> Reflection:
    engine, deadlines = scene
    last = (await events_of(tokenizer, engine, deadlines=deadlines, **fields))[-1]
    assert isinstance(last, Completed)
    return last.reflection


def told(reflection: Reflection) -> tuple[str, str, list[Problem]]:
    return reflection.status, reflection.outcome, list(reflection.problems)


@RELAYED
async def test_a_late_draft_is_witnessed_as_far_as_it_came(tokenizer: ChainTokenizer, sampling: Sampling) -> None:
    reflection = await reflect(tokenizer, slow(tokenizer, REVISED, Stage.DRAFT), sampling=sampling)
    assert told(reflection) == ("truncated", "truncated", ["late_draft"])
    assert (reflection.draft, reflection.stages[0].tokens) == (DRAFT[: len(reflection.draft)], 3)
    assert (reflection.decision, reflection.answer, reflection.answer_cut) == (Decision.REVISE, ANSWER, False)
    assert reflection.stages[0].finish == "deadline"


async def test_a_late_draft_that_is_kept_is_a_cut_answer(tokenizer: ChainTokenizer) -> None:
    reflection = await reflect(tokenizer, slow(tokenizer, KEPT, Stage.DRAFT))
    assert (reflection.answer, reflection.answer_cut) == (reflection.draft, True)


async def test_a_late_answer_without_a_reflection_is_cut(tokenizer: ChainTokenizer) -> None:
    reflection = await reflect(tokenizer, slow(tokenizer, REVISED, Stage.DRAFT), bypass=True)
    assert told(reflection) == ("bypassed", "bypassed", ["late_draft"])
    assert (reflection.answer, reflection.answer_cut) == (DRAFT[: len(reflection.answer)], True)


@RELAYED
@pytest.mark.parametrize("way", [slow, hung])
async def test_a_late_witness_keeps_the_draft(tokenizer: ChainTokenizer, way: Any, sampling: Sampling) -> None:
    reflection = await reflect(tokenizer, way(tokenizer, REVISED, Stage.WITNESS), sampling=sampling)
    assert (reflection.status, reflection.outcome) == ("truncated", "truncated")
    assert reflection.problems[-1] == Problem.LATE_WITNESS
    assert not {Problem.CUT_WITNESS, Problem.MISSING_DECISION} & set(reflection.problems)
    assert (reflection.answer, reflection.decision, reflection.answer_cut) == (DRAFT, Decision.KEEP, False)
    assert (reflection.witness == Scene()) is (way is hung)
    assert [(report.stage, report.finish) for report in reflection.stages] == [
        (Stage.DRAFT, "stop"),
        (Stage.WITNESS, "deadline"),
    ]


@RELAYED
async def test_a_late_revision_is_the_answer_as_far_as_it_came(tokenizer: ChainTokenizer, sampling: Sampling) -> None:
    reflection = await reflect(tokenizer, slow(tokenizer, REVISED, Stage.REVISED), sampling=sampling)
    assert told(reflection) == ("truncated", "truncated", ["late_revision"])
    assert (reflection.answer, reflection.stages[-1].tokens) == (ANSWER[: len(reflection.answer)], 3)
    assert (reflection.answer_cut, reflection.stages[-1].finish) == (True, "deadline")


@RELAYED
async def test_a_revision_without_a_word_in_time_leaves_the_draft(
    tokenizer: ChainTokenizer, sampling: Sampling
) -> None:
    reflection = await reflect(tokenizer, hung(tokenizer, REVISED, Stage.REVISED), sampling=sampling)
    assert told(reflection) == ("truncated", "truncated", ["late_revision"])
    assert (reflection.answer, reflection.answer_stage, reflection.answer_cut) == (DRAFT, Stage.DRAFT, False)


async def test_the_draft_that_is_left_is_no_whole_answer_where_a_format_was_asked_for(
    tokenizer: ChainTokenizer,
) -> None:
    reflection = await reflect(tokenizer, hung(tokenizer, KEPT, Stage.REVISED), json_schema="{}")
    assert told(reflection) == ("truncated", "truncated", ["late_revision"])
    assert (reflection.answer, reflection.answer_cut) == (DRAFT, True)


@pytest.mark.parametrize("bypass", [True, False], ids=["direct", "reflective"])
async def test_a_draft_without_a_word_in_time_is_an_error_with_a_name(tokenizer: ChainTokenizer, bypass: bool) -> None:
    engine, deadlines = hung(tokenizer, REVISED, Stage.DRAFT)
    with pytest.raises(EngineLate, match=r"wrote nothing in the 0\.03 seconds of stage draft"):
        await reflect(tokenizer, (engine, deadlines), bypass=bypass)
    assert engine.closed == [each.id for each in engine.asked]


async def test_neither_a_draft_nor_a_revision_in_time_is_an_error_with_a_name(tokenizer: ChainTokenizer) -> None:
    story: Story = {**REVISED, Stage.DRAFT: ("<witness>",)}
    with pytest.raises(EngineLate, match=r"wrote nothing in the 0\.03 seconds of stage revised"):
        await reflect(tokenizer, hung(tokenizer, story, Stage.REVISED))


async def test_a_late_stage_took_all_its_time(tokenizer: ChainTokenizer) -> None:
    witness = (await reflect(tokenizer, hung(tokenizer, REVISED, Stage.WITNESS))).stages[-1]
    assert (witness.tokens, witness.first_token_seconds) == (0, None)
    assert witness.seconds >= 0.03


@RELAYED
@pytest.mark.parametrize("way", [slow, hung])
@pytest.mark.parametrize("stage", [Stage.WITNESS, Stage.REVISED])
async def test_a_late_engine_is_stopped(tokenizer: ChainTokenizer, stage: Stage, way: Any, sampling: Sampling) -> None:
    engine, deadlines = way(tokenizer, REVISED, stage)
    await reflect(tokenizer, (engine, deadlines), sampling=sampling)
    assert engine.closed == [each.id for each in engine.asked]


@STAGES
async def test_each_stage_has_a_deadline_of_its_own(tokenizer: ChainTokenizer, stage: Stage) -> None:
    engine, deadlines = slow(tokenizer, REVISED, stage)
    others = {name: None for each, name in FIELDS.items() if each is not stage}
    alone, without = replace(deadlines, **others), replace(deadlines, **{FIELDS[stage]: None})
    reflection = await reflect(tokenizer, (engine, alone))
    assert [report.stage for report in reflection.stages if report.finish == "deadline"] == [stage]
    assert told(await reflect(tokenizer, (engine, without))) == ("complete", "revised", [])


async def test_a_stop_string_that_had_begun_when_time_ran_out_is_text(tokenizer: ChainTokenizer) -> None:
    scene = slow(tokenizer, KEPT, Stage.DRAFT)
    begun = tokenizer.decode(scene[0].scripts[Stage.DRAFT][:3])
    reflection = await reflect(tokenizer, scene, stops=(begun[-2:] + "never",))
    assert reflection.draft == begun


@pytest.mark.parametrize("deadlines", [Deadlines(), Deadlines(600, 600, 600)], ids=["none", "far"])
async def test_who_is_in_time_is_not_touched(tokenizer: ChainTokenizer, deadlines: Deadlines) -> None:
    reflection = await reflect(tokenizer, (play(tokenizer, REVISED), deadlines))
    assert told(reflection) == ("complete", "revised", [])
