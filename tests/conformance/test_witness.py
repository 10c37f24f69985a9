"""`/v1/witness`: a batch is answered in its order, and each item as if it were alone."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from conformance.recorded import MESSAGES, ODD, Target

WITNESS = "/v1/witness"


def item(answer: str) -> dict[str, Any]:
    return {"messages": MESSAGES, "answer": answer}


def witnessed(http: httpx.Client, target: Target, answers: list[str], **fields: Any) -> Any:
    body = {"model": target.model, "items": [item(answer) for answer in answers], **fields}
    reply = http.post(WITNESS, json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


@pytest.fixture(scope="module")
def batch(http: httpx.Client, target: Target) -> Any:
    """Answers so unlike in length that none ends when its neighbour does."""
    return witnessed(
        http, target, ["No.", "Take your time with it. " * 20, ODD, "I hear you. Play it once more for me."]
    )


@pytest.mark.parametrize("count", [1, 2, 9])
def test_as_many_are_answered_as_were_asked(http: httpx.Client, target: Target, count: int) -> None:
    found = witnessed(http, target, ["Try again tomorrow."] * count)
    assert [each["index"] for each in found["data"]] == list(range(count))


def test_each_is_witnessed_in_its_own_place(http: httpx.Client, target: Target) -> None:
    """The bad one of a batch is named by its place, whichever it is."""
    for place in range(4):
        answers = ["Fine."] * place + [" "] + ["Fine."] * (3 - place)
        reply = http.post(WITNESS, json={"model": target.model, "items": [item(answer) for answer in answers]})
        assert reply.json()["error"]["param"] == f"items[{place}].answer"


def test_a_long_answer_does_not_change_places_with_a_short_one(http: httpx.Client, target: Target) -> None:
    """What each alone would cost is what it costs in its place: seen by leaving one out."""
    answers = ["No.", "Take your time with it. " * 12, "Well."]
    alone = [witnessed(http, target, [answer])["usage"]["prompt_tokens"] for answer in answers]
    assert witnessed(http, target, answers)["usage"]["prompt_tokens"] == sum(alone)
    assert alone[1] > 2 * alone[0]


def test_every_item_has_a_scene_a_decision_and_a_status(batch: Any) -> None:
    for each in batch["data"]:
        assert each.keys() == {
            "index", "object", "status", "problems", "witness", "expected_weight", "decision", "revise_probability",
        }  # fmt: skip
        assert each["object"] == "witness"
        assert each["status"] in ("complete", "malformed", "truncated")
        assert each["witness"].keys() == {"who", "impact", "ripples", "weight"}
        assert each["decision"] in ("keep", "revise")


def test_the_batch_says_who_answered(batch: Any, target: Target) -> None:
    assert (batch["object"], batch["model"]) == ("list", target.model)
    assert batch["adapter"].startswith("witness-")


def test_usage_is_arithmetic_here_too(batch: Any) -> None:
    usage = batch["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


@pytest.mark.parametrize(("threshold", "decision"), [(0, "revise")])
def test_a_threshold_advises(http: httpx.Client, target: Target, threshold: float, decision: str) -> None:
    found = witnessed(http, target, ["Fine.", "No."], revise_threshold=threshold)["data"]
    advised = [each["decision"] for each in found if each["revise_probability"] is not None]
    assert advised == [decision] * len(advised)


def test_a_seed_repeats_a_witness(http: httpx.Client, target: Target) -> None:
    witnessed(http, target, ["Try again tomorrow."], seed=7)
    first, second = (witnessed(http, target, ["Try again tomorrow."], seed=7)["data"] for _ in range(2))
    assert first[0]["witness"] == second[0]["witness"]


def test_the_request_id_names_the_batch(http: httpx.Client, target: Target) -> None:
    body = {"model": target.model, "items": [item("Fine.")]}
    reply = http.post(WITNESS, json=body, headers={"x-request-id": "batch-1"})
    assert reply.headers["x-request-id"] == reply.json()["id"] == "batch-1"
