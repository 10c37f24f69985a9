"""What nano's adapter does on real vLLM, over situations and drafts that it was never trained on."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import mean
from typing import Any

import httpx
import pytest

from tear_training.world import Case, World

SEED = 20261122
"""Not the seed that the adapter's rows were drawn with; the test split shares no situation with them anyway."""

GROUP = 100
"""Drafts of each kind."""


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return list(World(SEED, table="woven").cases(split="test", count=900))


def test_at_least_99_of_100_chains_are_well_formed(http: httpx.Client, cases: Sequence[Case]) -> None:
    bodies = [_body(case, seed=index) for index, case in enumerate(cases[:200])]
    reflections = _reflect(http, bodies)
    odd = [reflection for reflection in reflections if reflection["status"] != "complete"]
    print(f"well-formed: {200 - len(odd)} of 200; problems: {[reflection['problems'] for reflection in odd]}")
    assert len(odd) <= 2


def test_held_out_drafts_are_judged_by_what_they_do(http: httpx.Client, cases: Sequence[Case]) -> None:
    """Of wounding drafts at least 80 % are revised, of kind ones at least 80 % kept; their weights differ in sign.

    No draft here, nor its situation, was trained on. The bars are for drafts put together of wordings that training
    knew, whose witness has a weight every time; for those in wordings it never met, the figures are printed, and the
    weights that there are must still differ in sign.
    """
    for is_seen in (True, False):
        judged = [case for case in cases if case.gold.valence and case.gold.is_answer_seen is is_seen]
        wounding = _judge(http, [case for case in judged if case.gold.valence < 0][:GROUP])
        kind = _judge(http, [case for case in judged if case.gold.valence > 0][:GROUP])
        revised = mean(reflection["decision"] == "revise" for reflection in wounding)
        kept = mean(reflection["decision"] == "keep" for reflection in kind)
        weights = [_weights(wounding), _weights(kind)]
        means = [mean(group) for group in weights]
        print(
            f"{'known' if is_seen else 'unknown'} wordings: wounding drafts revised {revised:.2f}, kind drafts kept "
            f"{kept:.2f}, mean expected weights {means[0]:+.2f} and {means[1]:+.2f}, {[*map(len, weights)]} weights"
        )
        assert len(wounding) == len(kind) == GROUP
        assert means[0] < 0 < means[1]
        if is_seen:
            assert [*map(len, weights)] == [GROUP, GROUP]
            assert revised >= 0.8
            assert kept >= 0.8


def _judge(http: httpx.Client, cases: Sequence[Case]) -> list[dict[str, Any]]:
    return _reflect(http, [_body(case, seed=0, draft=case.row.response, temperature=0) for case in cases])


def _weights(reflections: Sequence[dict[str, Any]]) -> list[float]:
    found = [reflection["expected_weight"] for reflection in reflections]
    return [weight for weight in found if weight is not None]


def _body(case: Case, *, seed: int, **more: object) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": case.row.input}], "seed": seed, **more}


def _reflect(http: httpx.Client, bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    def one(body: dict[str, Any]) -> dict[str, Any]:
        reply = http.post("/v1/reflections", json=body)
        reply.raise_for_status()
        reflection: dict[str, Any] = reply.json()
        return reflection

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(one, bodies))
