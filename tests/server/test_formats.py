"""An answer in a format that was asked for: the chain with `json_schema`."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pytest
from scripted import ScriptedEngine
from stories import ADAPTER, DRAFT, LIMITS, MODEL, SCENE, Story, play

from tear_chain.conversation import Conversation
from tear_chain.events import Completed
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Decision, Reflection, Stage
from tear_server.reflection import ReflectionRequest, Reflector

SCHEMA = '{"type": "object"}'
ANSWER = '{"mood":"glad"}'
KEPT: Story = {
    Stage.DRAFT: (DRAFT, "<witness>"),
    Stage.WITNESS: (*SCENE, "<keep>"),
    Stage.REVISED: (ANSWER, "</s>"),
}
REVISED: Story = {**KEPT, Stage.WITNESS: (*SCENE, "<revise>")}
DIRECT: Story = {**KEPT, Stage.DRAFT: (ANSWER, "</s>")}


async def reflect(tokenizer: ChainTokenizer, engine: ScriptedEngine, **fields: Any) -> Reflection:
    reflector = Reflector(engine, tokenizer, limits=LIMITS)
    request = {
        "id": "refl-1",
        "model": MODEL,
        "adapter": ADAPTER,
        "conversation": Conversation.asking("How is she?"),
    } | fields
    planned = reflector.plan(ReflectionRequest(json_schema=SCHEMA, **request))
    async with aclosing(reflector.reflect(planned)) as events:
        last = [event async for event in events][-1]
    assert isinstance(last, Completed)
    return last.reflection


def formats(engine: ScriptedEngine) -> list[tuple[str, str | None]]:
    return [(each.id.removeprefix("refl-1-"), each.json_schema) for each in engine.asked]


@pytest.mark.parametrize("story", [KEPT, REVISED], ids=["kept", "revised"])
async def test_only_the_last_stage_is_held_to_the_format(tokenizer: ChainTokenizer, story: Story) -> None:
    engine = play(tokenizer, story)
    await reflect(tokenizer, engine)
    assert formats(engine) == [("draft", None), ("witness", None), ("revised", SCHEMA)]


async def test_without_a_reflection_the_draft_is_the_last_stage(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, DIRECT)
    reflection = await reflect(tokenizer, engine, bypass=True)
    assert formats(engine) == [("draft", SCHEMA)]
    assert (reflection.answer, reflection.status, reflection.problems) == (ANSWER, "bypassed", ())
    assert (reflection.answer_stage, reflection.answer_cut) == (Stage.DRAFT, False)


@pytest.mark.parametrize(
    ("story", "threshold", "decision", "outcome"),
    [
        (KEPT, None, Decision.KEEP, "formatted"),
        (REVISED, None, Decision.REVISE, "revised"),
        (KEPT, 0.1, Decision.REVISE, "revised"),
        (REVISED, 0.9, Decision.KEEP, "formatted"),
    ],
    ids=["kept", "revised", "kept-overruled", "revised-overruled"],
)
async def test_the_answer_is_written_anew_and_the_decision_stays_what_it_was(
    tokenizer: ChainTokenizer, story: Story, threshold: float | None, decision: Decision, outcome: str
) -> None:
    reflection = await reflect(tokenizer, play(tokenizer, story), revise_threshold=threshold)
    assert (reflection.draft, reflection.answer, reflection.answer_stage) == (DRAFT, ANSWER, Stage.REVISED)
    assert (reflection.decision, reflection.outcome, reflection.status) == (decision, outcome, "complete")


async def test_what_writes_it_anew_is_asked_as_a_revision_is(tokenizer: ChainTokenizer) -> None:
    kept, revised = play(tokenizer, KEPT), play(tokenizer, REVISED)
    await reflect(tokenizer, kept)
    await reflect(tokenizer, revised)
    assert kept.asked[-1].prompt == revised.asked[-1].prompt


async def test_a_supplied_draft_is_said_again_in_the_format(tokenizer: ChainTokenizer) -> None:
    reflection = await reflect(tokenizer, play(tokenizer, KEPT), draft="She is well.")
    assert (reflection.draft, reflection.answer, reflection.decision) == ("She is well.", ANSWER, Decision.KEEP)


async def test_a_draft_that_is_only_to_be_witnessed_is_not_said_again(tokenizer: ChainTokenizer) -> None:
    reflection = await reflect(tokenizer, play(tokenizer, REVISED), draft=ANSWER, only_witness=True)
    assert (reflection.answer, len(reflection.stages)) == (ANSWER, 2)


@pytest.mark.parametrize(
    ("written", "status", "problems", "answer"),
    [
        (('{"mood":"gl' * 99,), "truncated", ["cut_revision"], None),
        (('{"mood":"gl', "</s>"), "malformed", ["broken_format"], '{"mood":"gl'),
        ((" ", "</s>"), "malformed", ["empty_revision", "broken_format"], DRAFT),
    ],
    ids=["cut", "given-up", "blank"],
)
async def test_an_answer_that_is_not_whole_in_the_format_is_a_cut_answer(
    tokenizer: ChainTokenizer, written: tuple[str, ...], status: str, problems: list[str], answer: str | None
) -> None:
    reflection = await reflect(tokenizer, play(tokenizer, {**KEPT, Stage.REVISED: written}))
    assert (reflection.status, list(reflection.problems), reflection.answer_cut) == (status, problems, True)
    if answer is not None:
        assert reflection.answer == answer


async def test_a_direct_answer_that_is_not_whole_is_cut_too(tokenizer: ChainTokenizer) -> None:
    reflection = await reflect(tokenizer, play(tokenizer, {**DIRECT, Stage.DRAFT: ("[1,", "</s>")}), bypass=True)
    assert (list(reflection.problems), reflection.answer_cut) == (["broken_format"], True)
