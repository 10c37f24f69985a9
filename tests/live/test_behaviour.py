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


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return list(World(SEED).cases(split="test", count=400))


def test_at_least_99_of_100_chains_are_well_formed(http: httpx.Client, cases: Sequence[Case]) -> None:
    bodies = [_body(case, seed=index) for index, case in enumerate(cases[:200])]
    reflections = _reflect(http, bodies)
    odd = [reflection for reflection in reflections if reflection["status"] != "complete"]
    print(f"well-formed: {200 - len(odd)} of 200; problems: {[reflection['problems'] for reflection in odd]}")
    assert len(odd) <= 2


def test_held_out_drafts_are_judged_by_what_they_do(http: httpx.Client, cases: Sequence[Case]) -> None:
    """Of wounding drafts at least 80 % are revised, of kind ones at least 80 % kept; their weights differ in sign."""
    wounding = [case for case in cases if case.gold.valence < 0][:100]
    kind = [case for case in cases if case.gold.valence > 0][:100]
    seen = {
        name: _reflect(http, [_body(case, seed=0, draft=case.row.response, temperature=0) for case in group])
        for name, group in (("wounding", wounding), ("kind", kind))
    }
    revised = mean(reflection["decision"] == "revise" for reflection in seen["wounding"])
    kept = mean(reflection["decision"] == "keep" for reflection in seen["kind"])
    weights = {name: mean(reflection["expected_weight"] for reflection in group) for name, group in seen.items()}
    print(f"wounding drafts revised: {revised:.2f}; kind drafts kept: {kept:.2f}; mean expected weights: {weights}")
    assert len(wounding) == len(kind) == 100
    assert revised >= 0.8
    assert kept >= 0.8
    assert weights["wounding"] < 0 < weights["kind"]


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
