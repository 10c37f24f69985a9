from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
from prometheus_client import generate_latest
from scripted import ScriptedEngine
from stories import ADAPTER, BASE, KEPT, MODEL, REVISED, STORIES, Story, play, service_over, until

from tear_chain.conversation import Conversation
from tear_chain.errors import EngineError
from tear_chain.events import Event, TextDelta
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Outcome, Problem, Stage
from tear_server.engine import Chunk, Generation
from tear_server.metrics import SECOND_LOOKS, WEIGHT_SHIFT, Metrics, revision_distance
from tear_server.reflection import Plan, ReflectionRequest
from tear_server.service import Service

SECRET = "Zanzibar"
STAGES = pytest.mark.parametrize("stage", list(Stage))


def plan(service: Service, **fields: Any) -> Plan:
    request = {
        "id": "refl-1",
        "model": MODEL,
        "adapter": ADAPTER,
        "conversation": Conversation.asking(f"{SECRET}?"),
    } | fields
    return service.reflector.plan(ReflectionRequest(**request))


def value(service: Service, name: str, **labels: str) -> float | None:
    return service.metrics.registry.get_sample_value(name, {"model": MODEL} | labels)


def outcomes(service: Service) -> dict[str, float]:
    """How often each outcome was counted; those never counted left out."""
    counted = {each.value: value(service, "tear_reflections_total", outcome=each.value) for each in Outcome}
    return {outcome: count for outcome, count in counted.items() if count}


# Exactly once


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("kept", "kept"),
        ("revised", "revised"),
        ("no-decision", "malformed"),
        ("empty-revision", "malformed"),
        ("endless-revision", "truncated"),
    ],
)
async def test_an_answered_reflection_is_counted_once(tokenizer: ChainTokenizer, name: str, outcome: str) -> None:
    service = service_over(play(tokenizer, STORIES[name]), tokenizer)
    await service.answer(plan(service))
    assert outcomes(service) == {outcome: 1}
    assert value(service, "tear_in_flight") == 0


async def test_a_bypassed_reflection_is_counted_once(tokenizer: ChainTokenizer) -> None:
    service = service_over(play(tokenizer, REVISED), tokenizer)
    await service.answer(plan(service, bypass=True))
    assert outcomes(service) == {"bypassed": 1}


@STAGES
async def test_a_failed_reflection_is_counted_once(tokenizer: ChainTokenizer, stage: Stage) -> None:
    service = service_over(play(tokenizer, REVISED, fail_in=stage), tokenizer)
    with pytest.raises(EngineError):
        await service.answer(plan(service))
    assert outcomes(service) == {"failed": 1}
    assert value(service, "tear_in_flight") == 0


async def test_a_surprise_is_loud_and_counted_once(tokenizer: ChainTokenizer) -> None:
    class Surprising(ScriptedEngine):
        async def generate(self, generation: Generation) -> AsyncGenerator[Chunk, None]:
            raise LookupError("nobody thought of this")
            yield

    service = service_over(Surprising({}), tokenizer)
    with pytest.raises(LookupError):
        await service.answer(plan(service))
    assert outcomes(service) == {"failed": 1}
    assert value(service, "tear_in_flight") == 0


@STAGES
async def test_a_cancelled_reflection_is_counted_once(tokenizer: ChainTokenizer, stage: Stage) -> None:
    engine = play(tokenizer, REVISED, hang_in=stage)
    service = service_over(engine, tokenizer)
    work = asyncio.create_task(service.answer(plan(service)))
    await until(lambda: engine.reached[-1:] == [stage])
    assert value(service, "tear_in_flight") == 1
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert outcomes(service) == {"cancelled": 1}
    assert value(service, "tear_in_flight") == 0


@STAGES
async def test_a_reflection_whose_reader_leaves_is_counted_once(tokenizer: ChainTokenizer, stage: Stage) -> None:
    service = service_over(play(tokenizer, REVISED), tokenizer)
    async with aclosing(service.run(plan(service))) as events:
        async for event in events:
            if isinstance(event, TextDelta) and event.stage is stage:
                break
    assert outcomes(service) == {"cancelled": 1}
    assert value(service, "tear_in_flight") == 0


async def test_a_reader_who_leaves_after_the_last_event_changes_nothing(tokenizer: ChainTokenizer) -> None:
    service = service_over(play(tokenizer, KEPT), tokenizer)
    seen: list[Event] = []
    events = service.run(plan(service))
    while not seen or type(seen[-1]).__name__ != "Completed":
        seen.append(await anext(events))
    await events.aclose()
    assert outcomes(service) == {"kept": 1}
    assert value(service, "tear_in_flight") == 0


# What is counted


async def test_problems_are_counted_by_name(tokenizer: ChainTokenizer) -> None:
    service = service_over(play(tokenizer, STORIES["gaps"]), tokenizer)
    await service.answer(plan(service))
    counted = {each.value: value(service, "tear_problems_total", problem=each.value) for each in Problem}
    assert {problem for problem, count in counted.items() if count} == {"missing_who", "missing_ripples"}


async def test_tokens_are_counted_by_stage(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED, cached_tokens=3)
    service = service_over(engine, tokenizer)
    await service.answer(plan(service))
    asked = len(engine.asked[0].prompt)
    drafted, witnessed = (len(engine.scripts[stage]) for stage in (Stage.DRAFT, Stage.WITNESS))
    prompts = {
        Stage.DRAFT: (3, asked - 3),
        Stage.WITNESS: (asked + drafted, 0),
        Stage.REVISED: (asked + drafted + witnessed, 0),
    }
    for stage, (cached, computed) in prompts.items():
        assert value(service, "tear_stage_tokens_total", stage=stage) == len(engine.scripts[stage])
        assert value(service, "tear_stage_prompt_tokens_total", stage=stage, cached="true") == cached
        assert value(service, "tear_stage_prompt_tokens_total", stage=stage, cached="false") == computed
        assert value(service, "tear_stage_seconds_count", stage=stage) == 1


async def test_a_supplied_draft_costs_nothing(tokenizer: ChainTokenizer) -> None:
    service = service_over(play(tokenizer, REVISED), tokenizer)
    await service.answer(plan(service, draft="Somebody else's."))
    assert value(service, "tear_stage_seconds_count", stage="draft") == 0
    assert value(service, "tear_stage_seconds_count", stage="revised") == 1


@pytest.mark.parametrize(
    ("story", "fields", "names"),
    [
        (REVISED, {}, {"first_token", "first_answer_token", "reflection"}),
        (KEPT, {}, {"first_token", "first_answer_token", "reflection"}),
        (REVISED, {"bypass": True}, {"first_token", "first_answer_token", "reflection"}),
        (KEPT, {"draft": "Somebody else's."}, {"first_answer_token", "reflection"}),
    ],
    ids=["revised", "kept", "bypassed", "supplied"],
)
async def test_waiting_is_observed_once_each(
    tokenizer: ChainTokenizer, story: Story, fields: dict[str, Any], names: set[str]
) -> None:
    service = service_over(play(tokenizer, story), tokenizer)
    await service.answer(plan(service, **fields))
    counted = {
        name: value(service, f"tear_{name}_seconds_count")
        for name in ("first_token", "first_answer_token", "reflection")
    }
    assert {name for name, count in counted.items() if count == 1} == names


async def test_first_token_comes_before_first_answer_token_before_the_end(tokenizer: ChainTokenizer) -> None:
    service = service_over(play(tokenizer, REVISED), tokenizer)
    await service.answer(plan(service))
    sums = [value(service, f"tear_{name}_seconds_sum") for name in ("first_token", "first_answer_token", "reflection")]
    assert sums == sorted(sum_ for sum_ in sums if sum_ is not None)


@pytest.mark.parametrize(("story", "decision"), [(KEPT, "keep"), (REVISED, "revise")], ids=["kept", "revised"])
async def test_the_witness_is_observed_by_decision(tokenizer: ChainTokenizer, story: Story, decision: str) -> None:
    service = service_over(play(tokenizer, story), tokenizer)
    await service.answer(plan(service))
    assert value(service, "tear_draft_weight_count", decision=decision) == 1
    assert value(service, "tear_expected_weight_count", decision=decision) == 1
    assert value(service, "tear_revise_probability_count") == 1
    distances = value(service, "tear_revision_distance_count") or 0
    assert distances == (1 if decision == "revise" else 0)


@pytest.mark.parametrize("weight", [-3, 0, 3])
async def test_a_weight_falls_into_a_bucket_of_its_own(tokenizer: ChainTokenizer, weight: int) -> None:
    story = {**KEPT, Stage.WITNESS: ("<weight>", f"<w{weight:+d}>", "<keep>")}
    service = service_over(play(tokenizer, story), tokenizer)
    await service.answer(plan(service))

    def up_to(bound: int) -> float | None:
        edge = "+Inf" if bound == 3 else f"{bound:.1f}"
        return value(service, "tear_draft_weight_bucket", decision="keep", le=edge)

    assert up_to(weight) == 1
    if weight > -3:
        assert up_to(weight - 1) == 0


@pytest.mark.parametrize(
    ("draft", "answer", "distance"),
    [("a b c d", "a b c d", 0.0), ("a b", "c d", 1.0), ("a b c d", "a b x y", 0.5), ("", "", 0.0), ("", "a", 1.0)],
    ids=["same", "none-in-common", "half", "both-empty", "from-nothing"],
)
def test_revision_distance_is_the_share_of_words_not_in_common(draft: str, answer: str, distance: float) -> None:
    assert revision_distance(draft, answer) == pytest.approx(distance)


@pytest.mark.parametrize(
    ("weight", "end", "fields", "count"),
    [
        ("<w-3>", "<keep>", {}, 1),
        ("<w-2>", "<keep>", {}, 1),
        ("<w-2>", "</s>", {}, 1),
        ("<w-1>", "<keep>", {}, 0),
        ("<w-2>", "<revise>", {}, 0),
        ("<w-2>", "<keep>", {"draft": "Somebody's.", "only_witness": True}, 0),
    ],
    ids=["heaviest", "heavy", "kept-for-want-of-a-decision", "light", "revised", "given-to-nobody"],
)
async def test_a_heavy_draft_that_became_the_answer_is_counted(
    tokenizer: ChainTokenizer, weight: str, end: str, fields: dict[str, Any], count: int
) -> None:
    story = {**REVISED, Stage.WITNESS: ("<who>", " a", "<impact>", " b", "<ripples>", " c", "<weight>", weight, end)}
    service = service_over(play(tokenizer, story), tokenizer)
    await service.answer(plan(service, **fields))
    assert value(service, "tear_heavy_kept_total") == count


async def test_the_mean_weight_follows_from_the_buckets(tokenizer: ChainTokenizer) -> None:
    weights = [-3, -2, 0, 3]
    service = service_over(play(tokenizer, KEPT), tokenizer)
    for weight in weights:
        metric = service.metrics._draft_weight.labels(MODEL, "keep")
        metric.observe(weight)
    edges = [f"{edge:.1f}" for edge in range(-3, 4)]
    below = sum(value(service, "tear_draft_weight_bucket", decision="keep", le=edge) or 0 for edge in edges)
    assert 4 - below / len(weights) == sum(weights) / len(weights)


@pytest.mark.parametrize(
    ("shifts", "off"), [([0.0], 0), ([-6.0, 0.5, 6.0], 0), ([3.9998, 2.0002, -1.0], 0.001), ([-0.4, 0.2, 2.9], 0.25)]
)
async def test_the_mean_shift_follows_from_the_buckets(
    tokenizer: ChainTokenizer, shifts: list[float], off: float
) -> None:
    service = service_over(play(tokenizer, KEPT), tokenizer)
    for shift in shifts:
        service.metrics._weight_shift.labels(MODEL).observe(shift)
    below = sum(value(service, "tear_weight_shift_bucket", le=str(edge)) or 0 for edge in WEIGHT_SHIFT)
    assert 6 - 0.5 * below / len(shifts) == pytest.approx(sum(shifts) / len(shifts), abs=off or 1e-9)


# What is shown


def test_announcing_begins_every_series_of_a_model_at_zero() -> None:
    metrics = Metrics()
    metrics.announce(models=(MODEL,), adapter=ADAPTER, base=BASE.fingerprint, cas=0.4)
    labelled = {family.name for family in metrics.registry.collect() if family.samples}
    by_request = {"tear_rejected", "tear_http_requests", "tear_http_request_seconds"}
    assert labelled == {family.name for family in metrics.registry.collect()} - by_request


def test_announcing_begins_every_outcome_and_problem_at_zero() -> None:
    metrics = Metrics()
    metrics.announce(models=(MODEL, f"{MODEL}-direct"), adapter=ADAPTER, base=BASE.fingerprint)
    for model in (MODEL, f"{MODEL}-direct"):
        for outcome in Outcome:
            labels = {"model": model, "outcome": outcome.value}
            assert metrics.registry.get_sample_value("tear_reflections_total", labels) == 0
        for problem in Problem:
            labels = {"model": model, "problem": problem.value}
            assert metrics.registry.get_sample_value("tear_problems_total", labels) == 0


def test_the_score_of_an_adapter_is_shown_while_it_is_served_and_only_if_it_has_one() -> None:
    metrics = Metrics()

    def shown(adapter: str) -> float | None:
        return metrics.registry.get_sample_value("tear_adapter_cas", {"model": MODEL, "adapter": adapter})

    metrics.announce(models=(MODEL,), adapter="witness-one", base=BASE.fingerprint, cas=0.4)
    assert shown("witness-one") == 0.4
    metrics.announce(models=(MODEL,), adapter="witness-two", base=BASE.fingerprint)
    assert (shown("witness-one"), shown("witness-two")) == (None, None)


async def test_labels_come_from_closed_sets_and_no_text_is_shown(tokenizer: ChainTokenizer) -> None:
    closed: dict[str, set[str]] = {
        "model": {MODEL, f"{MODEL}-direct"},
        "stage": set(Stage),
        "outcome": set(Outcome),
        "problem": set(Problem),
        "decision": {"keep", "revise"},
        "cached": {"true", "false"},
        "result": set(SECOND_LOOKS),
        "adapter": {ADAPTER},
        "base": {BASE.fingerprint},
    }
    for story in STORIES.values():
        service = service_over(play(tokenizer, story), tokenizer)
        await service.answer(plan(service))
        for family in service.metrics.registry.collect():
            for sample in family.samples:
                for label, shown in sample.labels.items():
                    assert label == "le" or shown in closed[label], sample
        page = generate_latest(service.metrics.registry).decode()
        assert not [word for word in (SECRET, "beginner", "lid", "Slow", "Thirty", "漢") if word in page]


def test_every_metric_is_ours_and_says_what_it_is() -> None:
    for family in Metrics().registry.collect():
        assert family.name.startswith("tear_")
        assert family.documentation.endswith("."), family.name


def test_two_services_in_one_process_count_apart(tokenizer: ChainTokenizer) -> None:
    one, other = (service_over(play(tokenizer, KEPT), tokenizer) for _ in range(2))
    one.metrics.broke_off(MODEL, Outcome.FAILED)
    assert (outcomes(one), outcomes(other)) == ({"failed": 1}, {})
