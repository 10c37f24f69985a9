from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import generate_latest
from scripted import ScriptedEngine
from stories import ADAPTER, ANSWER, DRAFT, KEPT, MODEL, REVISED, Story, play, service_over, until

from tear_chain.conversation import Conversation
from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import WEIGHTS, Outcome, Stage
from tear_server.reflection import ReflectionRequest
from tear_server.second_look import AT_ONCE, SecondLook, open_second_look
from tear_server.service import Service


def looking(
    engine: ScriptedEngine, tokenizer: ChainTokenizer, *, share: float = 1, chance: Callable[[], float] = lambda: 0.0
) -> tuple[Service, SecondLook]:
    service = service_over(engine, tokenizer)
    look = SecondLook(
        service.reflector, service.registry, service.metrics, share=share, door=service.door, chance=chance
    )
    return replace(service, second_look=look), look


def request(name: str = "refl-1", **fields: Any) -> ReflectionRequest:
    return ReflectionRequest(name, MODEL, ADAPTER, Conversation.asking("Am I any good?"), **fields)


def counted(service: Service, result: str) -> float:
    value = service.metrics.registry.get_sample_value("tear_second_looks_total", {"model": MODEL, "result": result})
    assert value is not None
    return value


def bucket(service: Service, name: str, upto: float) -> float | None:
    """How many were seen up to a value."""
    return service.metrics.registry.get_sample_value(f"{name}_bucket", {"model": MODEL, "le": str(float(upto))})


def series(service: Service, name: str) -> list[str]:
    page = generate_latest(service.metrics.registry).decode()
    return [line for line in page.splitlines() if line.startswith(name) and MODEL in line and not line.endswith(" 0.0")]


def certain(tokenizer: ChainTokenizer, weight: int, story: Story = REVISED) -> ScriptedEngine:
    """An engine that is sure of one weight whenever it is asked."""
    ids = tokenizer.chain.weights
    return play(tokenizer, story, logprobs={ids[each]: 0.0 if each == weight else -50.0 for each in WEIGHTS})


async def test_a_revised_answer_is_witnessed_after_it_went_out(tokenizer: ChainTokenizer) -> None:
    engine = certain(tokenizer, -2)
    service, _ = looking(engine, tokenizer)
    reflection = await service.answer(service.plan(request()))
    assert (reflection.outcome, reflection.answer) == (Outcome.REVISED, ANSWER)
    engine.logprobs = certain(tokenizer, 2).logprobs
    await until(lambda: counted(service, "witnessed"))
    again = engine.asked[-1]
    assert again.adapter == ADAPTER
    assert tokenizer.decode(again.prompt).count(ANSWER) == 1
    assert DRAFT not in tokenizer.decode(again.prompt)
    assert bucket(service, "tear_answer_weight", 1.5) == 0
    assert bucket(service, "tear_answer_weight", 2.5) == 1
    assert bucket(service, "tear_weight_shift", 3.75) == 0
    assert bucket(service, "tear_weight_shift", 4.25) == 1


async def test_it_is_no_reflection_of_its_own(tokenizer: ChainTokenizer) -> None:
    service, _ = looking(certain(tokenizer, 1), tokenizer)
    await service.answer(service.plan(request()))
    await until(lambda: counted(service, "witnessed"))
    ended = [line for line in series(service, "tear_reflections_total") if "-direct" not in line]
    assert ended == [f'tear_reflections_total{{model="{MODEL}",outcome="revised"}} 1.0']


@pytest.mark.parametrize(
    ("story", "share", "chance"),
    [(KEPT, 1.0, 0.0), (REVISED, 0.25, 0.25), ({**REVISED, Stage.REVISED: ("</s>",)}, 1.0, 0.0)],
    ids=["kept", "not chosen", "revised to nothing"],
)
async def test_nothing_else_is_looked_at(tokenizer: ChainTokenizer, story: Story, share: float, chance: float) -> None:
    engine = certain(tokenizer, 1, story)
    service, look = looking(engine, tokenizer, share=share, chance=lambda: chance)
    await service.answer(service.plan(request()))
    asked = len(engine.asked)
    await look.end()
    assert len(engine.asked) == asked
    assert sum(counted(service, result) for result in ("witnessed", "unread", "failed", "passed_over")) == 0


async def test_what_fails_in_it_is_counted_and_reaches_nobody(tokenizer: ChainTokenizer) -> None:
    engine = certain(tokenizer, 1)
    service, _ = looking(engine, tokenizer)
    reflection = await service.answer(service.plan(request()))
    engine.fail_in = Stage.WITNESS
    await until(lambda: counted(service, "failed"))
    assert reflection.outcome is Outcome.REVISED
    assert engine.closed[-1] == engine.asked[-1].id


async def test_a_scene_without_a_weight_tells_no_shift(tokenizer: ChainTokenizer) -> None:
    engine = certain(tokenizer, 1)
    service, _ = looking(engine, tokenizer)
    await service.answer(service.plan(request()))
    engine.scripts = play(tokenizer, {**REVISED, Stage.WITNESS: ("<who>", " somebody", "<keep>")}).scripts
    await until(lambda: counted(service, "unread"))
    assert series(service, "tear_weight_shift_count") == []


async def test_those_who_wait_come_first_and_an_end_gives_up_the_rest(tokenizer: ChainTokenizer) -> None:
    engine = certain(tokenizer, 1)
    service, look = looking(engine, tokenizer)
    reflection = await service.answer(service.plan(request()))
    engine.hang_in = Stage.WITNESS
    for number in range(AT_ONCE):
        look.consider(request(f"more-{number}"), reflection)
    await until(lambda: counted(service, "passed_over") == 1)
    await until(lambda: len(engine.asked) - len(engine.closed) == AT_ONCE)
    await look.end()
    assert len(engine.asked) == len(engine.closed)
    assert service.registry.in_flight(ADAPTER) == 0


async def test_a_server_that_is_stopped_looks_at_nothing_more(tokenizer: ChainTokenizer) -> None:
    engine = certain(tokenizer, 1)
    service, _ = looking(engine, tokenizer)
    service.door.shut()
    await service.answer(service.plan(request()))
    asked = len(engine.asked)
    await until(lambda: counted(service, "failed"))
    assert len(engine.asked) == asked


async def test_without_a_share_there_is_none(tokenizer: ChainTokenizer) -> None:
    service = service_over(certain(tokenizer, 1), tokenizer)
    async with open_second_look(
        service.reflector, service.registry, service.metrics, share=0, door=service.door
    ) as look:
        assert look is None
