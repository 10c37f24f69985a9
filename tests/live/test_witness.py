"""Somebody else's answers witnessed, and what really came of an answer reported, over real vLLM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from live.conftest import LiveServer

from tear_training.importers import import_file
from tear_training.rows import Row, load_rows
from tear_training.world import World

ROWS = list(World(5, table="woven").rows(split="test", count=64))


def asked(row: Row) -> list[dict[str, str]]:
    return [{"role": "user", "content": str(row.input)}]


def witnessed(http: httpx.Client, rows: list[Row], **fields: Any) -> list[dict[str, Any]]:
    items = [{"messages": asked(row), "answer": row.response} for row in rows]
    response = http.post("/v1/witness", json={"items": items, **fields})
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["data"]
    return found


def test_a_witness_is_the_one_that_a_reflection_on_that_draft_has(http: httpx.Client) -> None:
    for row in ROWS[:4]:
        [found] = witnessed(http, [row], temperature=0)
        body = {"messages": asked(row), "draft": row.response, "temperature": 0}
        reflection = http.post("/v1/reflections", json=body).json()
        assert (found["witness"], found["decision"]) == (reflection["witness"], reflection["decision"])
        assert found["revise_probability"] == pytest.approx(reflection["revise_probability"], abs=0.02)


def test_sixty_four_answers_are_witnessed_at_once(http: httpx.Client) -> None:
    found = witnessed(http, ROWS, seed=1)
    assert [each["index"] for each in found] == list(range(64))
    assert sum(each["status"] == "complete" for each in found) >= 63


def test_what_really_happened_becomes_a_training_row(live: LiveServer, http: httpx.Client, tmp_path: Path) -> None:
    reflection = http.post("/v1/reflections", json={"messages": asked(ROWS[0])}).json()
    happened = {"text": "She played for her neighbour that evening, badly, and laughed.", "weight": 2}
    assert http.post(f"/v1/reflections/{reflection['id']}/outcome", json=happened).status_code == 201
    import_file("journal", live.journal, tmp_path / "rows.jsonl")
    [row] = [row for row in load_rows(tmp_path / "rows.jsonl") if row.consequence.impact == happened["text"]]
    assert (row.response, row.consequence.weight) == (reflection["answer"].strip(), 2)
