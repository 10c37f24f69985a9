from __future__ import annotations

import math
from typing import Any

import pytest
from scripted import ScriptedEngine
from stories import ADAPTER, KEPT, MODEL, REVISED, STORIES, play, post, service_over

from tear_chain.tokenizer import ChainTokenizer
from tear_chain.words import Decision, Stage

PATH = "/v1/witness"


def item(answer: str = "Nice work.", asked: str = "Am I any good?") -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": asked}], "answer": answer}


async def ask(tokenizer: ChainTokenizer, engine: ScriptedEngine, **fields: Any) -> dict[str, Any]:
    response = await post(service_over(engine, tokenizer), PATH, {"items": [item()], **fields})
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


async def test_a_witness_is_the_consequence_and_nothing_else(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED)
    reply = await ask(tokenizer, engine)
    assert (reply["object"], reply["model"], reply["adapter"]) == ("list", MODEL, ADAPTER)
    [found] = reply["data"]
    scene = {"who": " a beginner", "impact": " She closes the lid.", "ripples": " Silence.", "weight": -2}
    assert (found["witness"], found["decision"], found["status"]) == (scene, "revise", "complete")
    assert set(engine.reached) == {Stage.WITNESS}


async def test_nothing_is_written_after_the_decision(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, REVISED)
    await ask(tokenizer, engine)
    assert all(tokenizer.chain.decisions[Decision.REVISE] in each.stop_ids for each in engine.asked)
    assert engine.closed == [each.id for each in engine.asked]


async def test_a_batch_is_answered_in_its_order(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, KEPT)
    items = [item(f"Answer {number}.") for number in range(64)]
    reply = await ask(tokenizer, engine, items=items)
    assert [found["index"] for found in reply["data"]] == list(range(64))
    firsts = [each for each in engine.asked if not each.id.endswith("-watched")]
    assert [tokenizer.encode(one["answer"]) for one in items] == [
        each.prompt[-1 - len(tokenizer.encode(one["answer"])) : -1] for one, each in zip(items, firsts, strict=True)
    ]


async def test_usage_adds_the_batch_up(tokenizer: ChainTokenizer) -> None:
    one = (await ask(tokenizer, play(tokenizer, KEPT)))["usage"]
    three = (await ask(tokenizer, play(tokenizer, KEPT), items=[item()] * 3))["usage"]
    assert three == {name: 3 * count for name, count in one.items()}
    assert one["total_tokens"] == one["prompt_tokens"] + one["completion_tokens"]


@pytest.mark.parametrize(("threshold", "decision"), [(0.2, "revise"), (0.3, "keep")])
async def test_a_threshold_advises_by_probability(tokenizer: ChainTokenizer, threshold: float, decision: str) -> None:
    decisions = tokenizer.chain.decisions
    logprobs = {decisions[Decision.KEEP]: math.log(0.6), decisions[Decision.REVISE]: math.log(0.2)}
    reply = await ask(tokenizer, play(tokenizer, KEPT, logprobs=logprobs), revise_threshold=threshold)
    [found] = reply["data"]
    assert (found["decision"], found["revise_probability"]) == (decision, pytest.approx(0.25))


async def test_a_scene_with_gaps_says_so(tokenizer: ChainTokenizer) -> None:
    [found] = (await ask(tokenizer, play(tokenizer, STORIES["gaps"])))["data"]
    assert (found["status"], found["problems"]) == ("malformed", ["missing_who", "missing_ripples"])


@pytest.mark.parametrize(
    ("items", "param"),
    [
        ([], "items"),
        ([item()] * 65, "items"),
        ([item(), item("  ")], "items[1].answer"),
        ([item(), {"messages": [], "answer": "x"}], "items[1].messages"),
        ([item(), {"messages": [{"role": "tool", "content": "x"}], "answer": "x"}], "items[1].messages[0].role"),
        ([item("word " * 5000)], "items[0].messages"),
        ([{"messages": [{"role": "user", "content": "x"}]}], "items[0].answer"),
    ],
    ids=["none", "too many", "blank", "no messages", "role", "too long", "no answer"],
)
async def test_a_bad_item_is_named_before_anything_is_generated(
    tokenizer: ChainTokenizer, items: list[dict[str, Any]], param: str
) -> None:
    engine = play(tokenizer, KEPT)
    response = await post(service_over(engine, tokenizer), PATH, {"items": items})
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
    assert engine.asked == []


@pytest.mark.parametrize(("model", "status"), [(f"{MODEL}-direct", 400), ("other", 404)])
async def test_only_a_model_that_reflects_can_witness(tokenizer: ChainTokenizer, model: str, status: int) -> None:
    body = {"items": [item()], "model": model}
    response = await post(service_over(play(tokenizer, KEPT), tokenizer), PATH, body)
    assert (response.status_code, response.json()["error"]["param"]) == (status, "model")


async def test_one_that_fails_ends_the_batch_and_leaves_nothing_open(tokenizer: ChainTokenizer) -> None:
    engine = play(tokenizer, KEPT, fail_in=Stage.WITNESS)
    response = await post(service_over(engine, tokenizer), PATH, {"items": [item()] * 4})
    assert response.status_code == 500
    assert sorted(engine.closed) == sorted(each.id for each in engine.asked)


async def test_the_callers_request_id_comes_back(tokenizer: ChainTokenizer) -> None:
    service = service_over(play(tokenizer, KEPT), tokenizer)
    response = await post(service, PATH, {"items": [item()]}, headers={"x-request-id": "mine-1"})
    assert (response.headers["x-request-id"], response.json()["id"]) == ("mine-1", "mine-1")
