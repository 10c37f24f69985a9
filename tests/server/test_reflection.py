from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from scripted import ScriptedEngine
from spelling import control_ids_by_name, spell
from stories import ADAPTER, ANSWER, DRAFT, KEPT, LIMITS, MODEL, REVISED, SCENE, STORIES, Story, play, until

from tear_chain.conversation import Conversation
from tear_chain.errors import ContextOverflow, EngineError, InvalidRequest
from tear_chain.events import Completed, Event, StageCompleted, StageStarted, TextDelta, Witnessed
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.tokens import TOKEN_NAMES
from tear_chain.words import WEIGHTS, Decision, Field, Problem, Reflection, Scene, Stage
from tear_server.engine import Chunk, Generation, Sampling
from tear_server.reflection import Plan, ReflectionRequest, Reflector

TEXT_STORIES = pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
STAGES = pytest.mark.parametrize("stage", list(Stage))
ONE_BY_ONE = Sampling(presence_penalty=0.1)
"""Makes every stage a request of its own."""
SUPPLIED = "Somebody else's words."


def plan(tokenizer: ChainTokenizer, engine: ScriptedEngine, **fields: Any) -> tuple[Reflector, Plan]:
    reflector = Reflector(engine, tokenizer, limits=LIMITS)
    request = {
        "id": "refl-1",
        "model": MODEL,
        "adapter": ADAPTER,
        "conversation": Conversation.asking("Am I any good?"),
    } | fields
    return reflector, reflector.plan(ReflectionRequest(**request))


async def events_of(tokenizer: ChainTokenizer, engine: ScriptedEngine, **fields: Any) -> list[Event]:
    reflector, planned = plan(tokenizer, engine, **fields)
    async with aclosing(reflector.reflect(planned)) as events:
        return [event async for event in events]


async def reflect(tokenizer: ChainTokenizer, engine: ScriptedEngine, **fields: Any) -> Reflection:
    last = (await events_of(tokenizer, engine, **fields))[-1]
    assert isinstance(last, Completed)
    return last.reflection


def stages_asked(engine: ScriptedEngine) -> list[str]:
    return [generation.id.removeprefix("refl-1-") for generation in engine.asked]


def said(events: list[Event], stage: Stage) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta) and event.stage is stage)


# What the engine is asked


async def test_a_kept_draft_takes_one_request(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, KEPT)
    reflection = await reflect(tokenizer, engine)
    assert stages_asked(engine) == ["draft"]
    assert (reflection.answer, reflection.decision) == (DRAFT, Decision.KEEP)


async def test_a_revised_draft_takes_no_second(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED)
    reflection = await reflect(tokenizer, engine)
    assert stages_asked(engine) == ["draft"]
    assert (reflection.answer, reflection.draft) == (ANSWER, DRAFT)


async def test_a_bypass_asks_once_and_answers_with_the_draft(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED)
    reflection = await reflect(tokenizer, engine, bypass=True)
    assert stages_asked(engine) == ["draft"]
    assert (reflection.answer, reflection.witness, reflection.decision) == (DRAFT, None, None)
    assert (reflection.status, reflection.outcome) == ("bypassed", "bypassed")


async def test_too_few_tokens_to_reflect_are_all_the_answers(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED)
    reflection = await reflect(tokenizer, engine, max_tokens=60)
    assert [generation.max_tokens for generation in engine.asked] == [60]
    assert (reflection.answer, reflection.status) == (DRAFT, "bypassed")


async def test_a_supplied_draft_is_witnessed_and_not_written(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED)
    reflection = await reflect(tokenizer, engine, draft=SUPPLIED)
    assert stages_asked(engine) == ["witness"]
    assert (reflection.draft, reflection.answer) == (SUPPLIED, ANSWER)
    assert (reflection.stages[0].finish, reflection.stages[0].tokens) == ("supplied", 0)


async def test_a_kept_supplied_draft_is_the_answer(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, KEPT)
    assert (await reflect(tokenizer, engine, draft=SUPPLIED)).answer == SUPPLIED
    assert engine.reached == [Stage.WITNESS]


@TEXT_STORIES
async def test_each_prompt_extends_the_one_before_by_what_was_written(tokenizer: ChainTokenizer, story: Story) -> None:
    engine = play(tokenizer, story)
    await reflect(tokenizer, engine, sampling=ONE_BY_ONE)
    chain = tokenizer.chain
    marker = {"draft": chain.draft, "witness": chain.witness, "revised": chain.decisions[Decision.REVISE]}
    prompts = {generation.id.removeprefix("refl-1-"): generation for generation in engine.asked}
    for stage, following in pairwise(prompts):
        [(_, written)], _ = engine.play(Stage(stage), prompts[stage])
        if written and written[-1] in prompts[stage].stop_ids:
            written.pop()
        assert prompts[following].prompt == (*prompts[stage].prompt, *written, marker[following])


@TEXT_STORIES
async def test_a_request_goes_on_where_a_stage_would_have_asked(tokenizer: ChainTokenizer, story: Story) -> None:
    few, many = play(tokenizer, story), play(tokenizer, story)
    reflections = await reflect(tokenizer, few), await reflect(tokenizer, many, sampling=ONE_BY_ONE)
    told = [
        (
            *(reflection.draft, reflection.witness, reflection.decision, reflection.answer, reflection.problems),
            *((report.stage, report.tokens, report.prompt_tokens, report.finish) for report in reflection.stages),
        )
        for reflection in reflections
    ]
    assert told[0] == told[1]
    prompts = {generation.prompt for generation in many.asked}
    assert all(each.prompt in prompts for each in few.asked)


@pytest.mark.parametrize("penalty", ["frequency_penalty", "presence_penalty"])
async def test_a_penalty_for_repetition_does_not_reach_over_stages(tokenizer: ChainTokenizer, penalty: str) -> None:
    engine = play(tokenizer, REVISED)
    await reflect(tokenizer, engine, sampling=Sampling(**{penalty: 0.5}))
    assert stages_asked(engine) == ["draft", "witness", "revised"]


async def test_what_a_request_wrote_before_counts_as_cached(tokenizer: ChainTokenizer) -> None:
    reflection = await reflect(tokenizer, play(tokenizer, REVISED, cached_tokens=3))
    draft, witness, revised = reflection.stages
    assert (draft.cached_tokens, witness.cached_tokens) == (3, witness.prompt_tokens)
    assert revised.cached_tokens == revised.prompt_tokens


@TEXT_STORIES
async def test_every_generation_is_closed(tokenizer: ChainTokenizer, story: Story) -> None:
    engine = play(tokenizer, story)
    await reflect(tokenizer, engine)
    assert engine.closed == [generation.id for generation in engine.asked]


async def test_all_stages_use_one_adapter_and_one_sampling(tokenizer: ChainTokenizer) -> None:
    engine, sampling = play(tokenizer, REVISED), Sampling(temperature=0.3, top_p=0.5, seed=11)
    await reflect(tokenizer, engine, sampling=sampling)
    assert {(each.adapter, each.sampling) for each in engine.asked} == {(ADAPTER, sampling)}


async def test_limits_leave_the_answer_what_draft_and_witness_did_not_take(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED)
    reflection = await reflect(tokenizer, engine, max_tokens=300, sampling=ONE_BY_ONE)
    draft, witness, _ = reflection.stages
    assert [each.max_tokens for each in engine.asked] == [102, 96, 300 - draft.tokens - witness.tokens]


async def test_requests_for_the_whole_chain_may_take_its_whole_budget(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED)
    await reflect(tokenizer, engine, max_tokens=300)
    assert [each.max_tokens for each in engine.asked] == [300]


async def test_only_from_the_weight_on_is_watched(tokenizer: ChainTokenizer) -> None:
    engine, chain = play(tokenizer, REVISED), tokenizer.chain
    await reflect(tokenizer, engine)
    (asked,) = engine.asked
    assert set(asked.watch) == {*chain.weights.values(), *chain.decisions.values()}
    assert asked.watch_after == chain.fields[Field.WEIGHT]


async def test_the_engine_watches_for_the_chains_own_tokens_alone(tokenizer: ChainTokenizer) -> None:
    engine, chain = play(tokenizer, REVISED), tokenizer.chain
    await reflect(tokenizer, engine, sampling=ONE_BY_ONE)
    assert [each.stop_ids for each in engine.asked] == [chain.all, chain.all - chain.scene, chain.all]


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("chunk_size", [1, 2, 7])
async def test_any_other_control_token_ends_its_stage_too(
    tokenizer: ChainTokenizer, stage: Stage, chunk_size: int
) -> None:
    stray = next(iter(tokenizer.control_ids - tokenizer.chain.all))
    engine = play(tokenizer, REVISED, chunk_size=chunk_size)
    script = list(engine.scripts[stage])
    engine.scripts = {**engine.scripts, stage: [*script[:2], stray, *script[2:]]}
    reflection = await reflect(tokenizer, engine, revise_threshold=0.0)
    assert Problem.STRAY_TOKEN in reflection.problems
    assert engine.closed == [generation.id for generation in engine.asked]
    written = next(report for report in reflection.stages if report.stage is stage)
    assert written.tokens <= 2 + chunk_size


# What comes of it


@pytest.mark.parametrize(
    ("name", "status", "outcome", "problems", "answer"),
    [
        ("kept", "complete", "kept", [], DRAFT),
        ("revised", "complete", "revised", [], ANSWER),
        ("no-decision", "malformed", "malformed", ["stray_token", "missing_decision"], DRAFT),
        ("gaps", "malformed", "malformed", ["missing_who", "missing_ripples"], ANSWER),
        ("disorder", "malformed", "malformed", ["out_of_order"], ANSWER),
        (
            *("no-scene", "malformed", "malformed"),
            ["missing_who", "missing_impact", "missing_ripples", "missing_weight"],
            DRAFT,
        ),
        ("draft-ends-oddly", "malformed", "malformed", ["stray_token"], ANSWER),
        ("empty-draft", "malformed", "malformed", ["empty_draft"], ANSWER),
        ("empty-revision", "malformed", "malformed", ["empty_revision"], DRAFT),
        ("blank-revision", "malformed", "malformed", ["empty_revision"], DRAFT),
        ("blank-then-words", "complete", "revised", [], " \n " + ANSWER),
        ("revision-ends-oddly", "malformed", "malformed", ["stray_token"], ANSWER),
    ],
    ids=lambda value: value if isinstance(value, str) and value in STORIES else "",
)
async def test_a_chain_is_answered_and_its_problems_are_named(
    tokenizer: ChainTokenizer, name: str, status: str, outcome: str, problems: list[str], answer: str
) -> None:
    reflection = await reflect(tokenizer, play(tokenizer, STORIES[name]))
    assert (reflection.status, reflection.outcome) == (status, outcome)
    assert list(reflection.problems) == problems
    assert (reflection.answer, reflection.answer_cut) == (answer, False)


@pytest.mark.parametrize(
    ("name", "problems", "cut"),
    [
        ("endless-draft", ["cut_draft"], False),
        ("endless-revision", ["cut_revision"], True),
        ("endless-witness", ["missing_impact", "missing_ripples", "missing_weight", "cut_witness"], False),
    ],
)
async def test_a_stage_cut_by_its_limit_is_truncated(
    tokenizer: ChainTokenizer, name: str, problems: list[str], cut: bool
) -> None:
    reflection = await reflect(tokenizer, play(tokenizer, STORIES[name]))
    assert (reflection.status, reflection.outcome, list(reflection.problems)) == ("truncated", "truncated", problems)
    assert reflection.answer_cut is cut


async def test_a_cut_draft_that_is_kept_is_a_cut_answer(tokenizer: ChainTokenizer) -> None:
    story = {**KEPT, Stage.DRAFT: (DRAFT * 200,)}
    reflection = await reflect(tokenizer, play(tokenizer, story))
    assert (reflection.answer_cut, reflection.stages[0].finish) == (True, "length")


@TEXT_STORIES
async def test_no_chain_is_answered_with_nothing(tokenizer: ChainTokenizer, story: Story) -> None:
    assert (await reflect(tokenizer, play(tokenizer, story))).answer.strip()


async def test_the_scene_is_told_in_its_parts(tokenizer: ChainTokenizer) -> None:
    reflection = await reflect(tokenizer, play(tokenizer, KEPT))
    assert reflection.witness == Scene(" a beginner", " She closes the lid.", " Silence.", -2)


async def test_events_come_in_the_order_of_the_chain(tokenizer: ChainTokenizer) -> None:
    events = await events_of(tokenizer, play(tokenizer, REVISED))
    order = [
        *(StageStarted, TextDelta, StageCompleted),
        *(StageStarted, TextDelta, StageCompleted, Witnessed),
        *(StageStarted, TextDelta, StageCompleted, Completed),
    ]
    kinds = [type(event) for event in events]
    assert [kind for kind, before in zip(kinds, [None, *kinds], strict=False) if kind is not before] == order


@pytest.mark.parametrize("chunk_size", [1, 2, 7])
@TEXT_STORIES
async def test_the_deltas_add_up_to_the_reflection(tokenizer: ChainTokenizer, story: Story, chunk_size: int) -> None:
    events = await events_of(tokenizer, play(tokenizer, story, chunk_size=chunk_size))
    last = events[-1]
    assert isinstance(last, Completed)
    reflection = last.reflection
    assert said(events, Stage.DRAFT) == reflection.draft
    revised = "".join(
        event.text for event in events if isinstance(event, StageCompleted) and event.report.stage == "revised"
    )
    assert said(events, Stage.REVISED) == revised
    for field in (Field.WHO, Field.IMPACT, Field.RIPPLES):
        deltas = [event.text for event in events if isinstance(event, TextDelta) and event.field is field]
        assert "".join(deltas) == (getattr(reflection.witness, field) or "")


@pytest.mark.parametrize("chunk_size", [2, 7])
@TEXT_STORIES
async def test_chunks_of_the_engine_make_no_difference(
    tokenizer: ChainTokenizer, story: Story, chunk_size: int
) -> None:
    def told(reflection: Reflection) -> tuple[object, ...]:
        tokens = [(report.stage, report.tokens, report.finish) for report in reflection.stages]
        return reflection.answer, reflection.witness, reflection.decision, reflection.problems, tokens

    one_by_one = await reflect(tokenizer, play(tokenizer, story))
    assert told(await reflect(tokenizer, play(tokenizer, story, chunk_size=chunk_size))) == told(one_by_one)


async def test_a_report_counts_every_token_of_its_stage(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED, cached_tokens=5)
    reports = (await reflect(tokenizer, engine, sampling=ONE_BY_ONE)).stages
    assert [report.tokens for report in reports] == [len(engine.scripts[stage]) for stage in Stage]
    assert [report.prompt_tokens for report in reports] == [len(each.prompt) for each in engine.asked]
    assert [(report.stage, report.cached_tokens, report.finish) for report in reports] == [
        (stage, 5, "stop") for stage in Stage
    ]
    assert all(0 <= (report.first_token_seconds or -1) <= report.seconds for report in reports)


# Keep or revise


def with_decision(tokenizer: ChainTokenizer, keep: float, revise: float, **options: Any) -> ScriptedEngine:
    """An engine that keeps by its own choice, with these probabilities."""
    decisions = tokenizer.chain.decisions
    logprobs = {decisions[Decision.KEEP]: math.log(keep), decisions[Decision.REVISE]: math.log(revise)}
    return play(tokenizer, REVISED | {Stage.WITNESS: (*SCENE, "<keep>")}, logprobs=logprobs, **options)


@pytest.mark.parametrize(
    ("keep", "revise", "expected"),
    [(0.6, 0.2, 0.25), (0.001, 0.003, 0.75), (0.5, 0.5, 0.5)],
    ids=["shares", "small-shares", "even"],
)
async def test_revise_probability_is_its_share_of_both_decisions(
    tokenizer: ChainTokenizer, keep: float, revise: float, expected: float
) -> None:
    reflection = await reflect(tokenizer, with_decision(tokenizer, keep, revise))
    assert reflection.revise_probability == pytest.approx(expected)


@pytest.mark.parametrize(
    ("threshold", "decision"),
    [(None, "keep"), (0.0, "revise"), (0.24, "revise"), (0.26, "keep"), (1.0, "keep")],
    ids=str,
)
async def test_a_threshold_overrules_the_model(
    tokenizer: ChainTokenizer, threshold: float | None, decision: str
) -> None:
    engine = with_decision(tokenizer, 0.6, 0.2)
    reflection = await reflect(tokenizer, engine, revise_threshold=threshold)
    assert reflection.decision == decision
    assert stages_asked(engine)[1:] == (["revised"] if decision == "revise" else [])


async def test_an_overruled_keep_is_revised_as_if_the_model_had_chosen_it(tokenizer: ChainTokenizer) -> None:
    overruled, chosen = with_decision(tokenizer, 0.6, 0.2), play(tokenizer, REVISED)
    await reflect(tokenizer, overruled, revise_threshold=0.1)
    await reflect(tokenizer, chosen, sampling=ONE_BY_ONE)
    assert overruled.asked[1].prompt == chosen.asked[2].prompt


async def test_a_witness_without_a_decision_keeps_whatever_the_threshold(tokenizer: ChainTokenizer) -> None:
    reflection = await reflect(tokenizer, play(tokenizer, STORIES["no-decision"]), revise_threshold=0.0)
    assert (reflection.decision, reflection.revise_probability) == (Decision.KEEP, None)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({-2: 0.4}, -2.0),
        ({-3: 0.1, 3: 0.1}, 0.0),
        ({-2: 0.3, -1: 0.1}, -1.75),
        ({0: 0.2, 1: 0.2, 3: 0.4}, 1.75),
        (dict.fromkeys(WEIGHTS, 0.01), 0.0),
    ],
    ids=["certain", "opposite", "negative", "positive", "even"],
)
async def test_expected_weight_is_the_mean_over_the_weights_shares(
    tokenizer: ChainTokenizer, shares: dict[int, float], expected: float
) -> None:
    logprobs = dict.fromkeys(tokenizer.chain.weights.values(), -200.0)
    logprobs |= {tokenizer.chain.weights[weight]: math.log(share) for weight, share in shares.items()}
    reflection = await reflect(tokenizer, play(tokenizer, KEPT, logprobs=logprobs))
    assert reflection.expected_weight == pytest.approx(expected, abs=1e-9)


async def test_weight_and_decision_are_each_read_at_their_own_token(tokenizer: ChainTokenizer) -> None:
    chain = tokenizer.chain
    weights, decisions = chain.weights, chain.decisions
    at_weight = {weights[-2]: 0.0, decisions[Decision.KEEP]: 0.0}
    at_decision = {weights[3]: 0.0, decisions[Decision.REVISE]: 0.0}
    by_token = {weights[-2]: at_weight, decisions[Decision.REVISE]: at_decision}

    class ByToken(ScriptedEngine):
        async def generate(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
            async with aclosing(super().generate(generation)) as chunks:
                async for chunk in chunks:
                    told = [by_token.get(token, {}) for token in chunk.tokens] if generation.watch else []
                    yield replace(
                        chunk,
                        watched=tuple({each: known.get(each, -50.0) for each in generation.watch} for known in told),
                    )

    reflection = await reflect(tokenizer, ByToken(play(tokenizer, REVISED).scripts, chunk_size=2))
    assert reflection.expected_weight == pytest.approx(-2)
    assert reflection.revise_probability == pytest.approx(1)


async def test_without_a_weight_nothing_is_expected(tokenizer: ChainTokenizer) -> None:
    assert (await reflect(tokenizer, play(tokenizer, STORIES["no-scene"]))).expected_weight is None


# Stop strings


@pytest.mark.parametrize("chunk_size", [1, 2, 7])
@pytest.mark.parametrize(
    ("stops", "draft", "answer"),
    [
        ((", dull",), "Slow hands", ANSWER),
        ((" make", "!"), DRAFT, "Thirty days"),
        (("漢",), DRAFT, "Thirty days make a start! 👩‍👩‍👧‍👦 "),
        (("a",), "Slow h", "Thirty d"),
        (("nowhere",), DRAFT, ANSWER),
    ],
    ids=["draft", "answer", "emoji-before", "both", "neither"],
)
async def test_a_stop_string_ends_draft_and_answer(
    tokenizer: ChainTokenizer, stops: tuple[str, ...], draft: str, answer: str, chunk_size: int
) -> None:
    engine = play(tokenizer, REVISED, chunk_size=chunk_size)
    events = await events_of(tokenizer, engine, stops=stops)
    last = events[-1]
    assert isinstance(last, Completed)
    assert (last.reflection.draft, last.reflection.answer, last.reflection.status) == (draft, answer, "complete")
    assert (said(events, Stage.DRAFT), said(events, Stage.REVISED)) == (draft, answer)
    assert engine.closed == [generation.id for generation in engine.asked]


async def test_a_stop_string_does_not_touch_the_witness(tokenizer: ChainTokenizer) -> None:
    reflection = await reflect(tokenizer, play(tokenizer, KEPT), stops=("closes", "Silence"))
    assert reflection.witness == Scene(" a beginner", " She closes the lid.", " Silence.", -2)


async def test_after_a_stop_string_the_witness_sees_the_draft_that_the_caller_sees(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, KEPT)
    await reflect(tokenizer, engine, stops=(" hands",))
    prompt = engine.asked[1].prompt
    assert prompt == (*engine.asked[0].prompt, *spell(tokenizer, "Slow", "<witness>"))


@pytest.mark.parametrize("marker", [*TOKEN_NAMES, "</s>", "[INST]", "<SPECIAL_900>"])
async def test_markers_spelled_anywhere_stay_text(tokenizer: ChainTokenizer, marker: str) -> None:
    """In the conversation, in a supplied draft, in what the model writes and in a stop string."""
    forged = f"so {marker} said"
    names = control_ids_by_name(tokenizer)
    written = tokenizer.encode(f"{forged} twice")
    engine = ScriptedEngine(
        {
            Stage.WITNESS: spell(tokenizer, *SCENE, "<revise>"),
            Stage.REVISED: [*written, names["</s>"]],
        },
        leads_to={names["<revise>"]: Stage.REVISED},
    )
    reflection = await reflect(
        tokenizer, engine, conversation=Conversation.asking(forged), draft=forged, stops=(f"{marker} said twice",)
    )
    assert (reflection.draft, reflection.answer) == (forged, "so ")
    plain = play(tokenizer, REVISED)
    await reflect(tokenizer, plain, draft=SUPPLIED)

    def structure(generation: Generation) -> list[int]:
        return [token for token in generation.prompt if token in tokenizer.control_ids]

    assert [structure(each) for each in engine.asked] == [structure(each) for each in plain.asked]


# What is refused before anything is generated


@pytest.mark.parametrize("draft", ["", "  \n"], ids=["empty", "blank"])
def test_a_supplied_draft_without_a_word_is_refused(tokenizer: ChainTokenizer, draft: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        plan(tokenizer, play(tokenizer, KEPT), draft=draft)
    assert refused.value.param == "draft"


def test_a_supplied_draft_cannot_bypass_the_reflection(tokenizer: ChainTokenizer) -> None:
    with pytest.raises(InvalidRequest) as refused:
        plan(tokenizer, play(tokenizer, KEPT), draft=SUPPLIED, bypass=True)
    assert refused.value.param == "draft"


@pytest.mark.parametrize("bypass", [True, False], ids=["direct", "reflective"])
def test_a_conversation_beyond_the_context_is_refused(tokenizer: ChainTokenizer, bypass: bool) -> None:
    with pytest.raises(ContextOverflow):
        plan(tokenizer, play(tokenizer, KEPT), conversation=Conversation.asking("word " * 5000), bypass=bypass)


# When it breaks off


@STAGES
async def test_an_engine_failure_passes_through_and_nothing_is_left_open(
    tokenizer: ChainTokenizer, stage: Stage
) -> None:
    engine = play(tokenizer, REVISED, fail_in=stage)
    with pytest.raises(EngineError, match="fails here"):
        await events_of(tokenizer, engine)
    assert engine.closed == [generation.id for generation in engine.asked]
    assert engine.reached[-1] == stage


@STAGES
async def test_closing_the_iterator_closes_the_generation(tokenizer: ChainTokenizer, stage: Stage) -> None:
    engine = play(tokenizer, REVISED)
    reflector, planned = plan(tokenizer, engine)
    async with aclosing(reflector.reflect(planned)) as events:
        async for event in events:
            if isinstance(event, TextDelta) and event.stage is stage:
                break
    assert engine.closed == [generation.id for generation in engine.asked]
    assert engine.reached[-1] == stage


@STAGES
async def test_cancelling_closes_a_generation_that_says_nothing(tokenizer: ChainTokenizer, stage: Stage) -> None:
    engine = play(tokenizer, REVISED, hang_in=stage)
    work = asyncio.create_task(events_of(tokenizer, engine))
    await until(lambda: engine.reached[-1:] == [stage])
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert engine.closed == [generation.id for generation in engine.asked]
