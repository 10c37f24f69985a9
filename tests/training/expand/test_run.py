from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from training.expand.conftest import WAIT_S, Answered, Body, Server, reply, situation
from training.test_rows import row_of

from tear_chain.errors import DataError, InvalidRequest
from tear_training.expand import ExpandPlan, ExpandReport, expand
from tear_training.expand.run import GIVE_UP_AFTER
from tear_training.expand.writer import Endpoint, EndpointFailed
from tear_training.rejected import load_rejected
from tear_training.rows import load_rows, write_rows

PLAN = ExpandPlan(situations=6)
ROWS = 4 * PLAN.situations
REQUESTS = PLAN.situations + ROWS


@pytest.fixture(autouse=True)
def _key_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


async def run(server: Server, folder: Path, plan: ExpandPlan = PLAN, **options: Any) -> ExpandReport:
    given: dict[str, Any] = {
        "judge": Endpoint("judge", server.url),
        "out": folder / "out.jsonl",
        "cache": folder / "cache",
        "license_": "CC0-1.0",
    }
    return await expand(plan, Endpoint("writer", server.url), **(given | options))


def reasons(folder: Path) -> list[str]:
    return [entry.reason for entry in load_rejected(folder / "out.rejected.jsonl")]


def files(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "out.jsonl").read_bytes(), (folder / "out.rejected.jsonl").read_bytes()


async def test_every_answer_that_writer_and_judge_agree_on_becomes_a_row(server: Server, tmp_path: Path) -> None:
    report = await run(server, tmp_path)
    rows = load_rows(tmp_path / "out.jsonl")
    assert (report.rows, report.squares, report.requests, report.cached) == (ROWS, PLAN.situations, REQUESTS, 0)
    assert [row.culture for row in rows[::4]] == [ask.stratum.culture for ask in PLAN.asks()]
    assert {row.license for row in rows} == {"CC0-1.0"}
    assert server.url not in (tmp_path / "out.jsonl").read_text()
    assert reasons(tmp_path) == []


async def test_a_rerun_asks_nothing_and_writes_the_same_bytes(server: Server, tmp_path: Path) -> None:
    def some_bad(body: Body) -> Answered:
        return Answered("I would rather not.") if body["seed"] % 3 == 0 and body["model"] == "writer" else reply(body)

    server.script = some_bad
    await run(server, tmp_path)
    first, asked = files(tmp_path), len(server.asked)
    assert reasons(tmp_path)
    for path in (tmp_path / "out.jsonl", tmp_path / "out.rejected.jsonl"):
        path.unlink()
    report = await run(server, tmp_path, concurrency=1)
    assert files(tmp_path) == first
    assert (len(server.asked), report.requests) == (asked, 0)


async def test_rows_stand_in_the_order_of_the_plan_whatever_is_answered_first(server: Server, tmp_path: Path) -> None:
    straight, turned = tmp_path / "straight", tmp_path / "turned"
    await run(server, straight, concurrency=1)
    first = PLAN.asks()[0].seed
    others_done = threading.Event()

    def first_comes_last(body: Body) -> Answered:
        if body["seed"] == first and body["model"] == "writer":
            assert others_done.wait(WAIT_S)
        elif len(server.asked) >= 2 * REQUESTS - 4:
            others_done.set()
        return reply(body)

    server.script = first_comes_last
    await run(server, turned, concurrency=3)
    assert files(turned) == files(straight)


async def test_an_interrupted_run_goes_on_and_asks_nothing_twice(server: Server, tmp_path: Path) -> None:
    stuck, let_go = threading.Event(), threading.Event()

    def stalls_midway(body: Body) -> Answered:
        if len(server.asked) > 14:
            stuck.set()
            assert let_go.wait(WAIT_S)
        return reply(body)

    server.script = stalls_midway
    first = asyncio.create_task(run(server, tmp_path, concurrency=2, save_every=1))
    assert await asyncio.to_thread(stuck.wait, WAIT_S)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    kept = len(list((tmp_path / "cache").glob("*.json")))
    assert kept >= 12
    assert load_rows(tmp_path / "out.jsonl")
    let_go.set()
    server.script = reply
    asked_before = len(server.asked)
    report = await run(server, tmp_path)
    assert (report.rows, report.cached, report.requests) == (ROWS, kept, REQUESTS - kept)
    assert len(server.asked) - asked_before == REQUESTS - kept
    straight = tmp_path / "straight"
    await run(server, straight)
    assert files(tmp_path) == files(straight)


async def test_a_short_stop_does_not_shorten_what_an_earlier_run_wrote(server: Server, tmp_path: Path) -> None:
    await run(server, tmp_path)
    before = files(tmp_path)
    for path in (tmp_path / "cache").iterdir():
        path.unlink()
    server.script = lambda body: Answered(status=401, body=b'{"error": {"message": "no such key"}}')
    with pytest.raises(EndpointFailed):
        await run(server, tmp_path)
    assert files(tmp_path) == before


@pytest.mark.parametrize("status", [429, 500])
async def test_a_busy_or_failing_server_is_asked_again(server: Server, tmp_path: Path, status: int) -> None:
    refused = iter([Answered(status=status, body=b"{}", headers=(("Retry-After", "0"),))])
    server.script = lambda body: next(refused, None) or reply(body)
    report = await run(server, tmp_path, ExpandPlan(situations=1))
    assert (report.rows, report.requests, len(server.asked)) == (4, 5, 6)


@pytest.mark.parametrize(
    ("answered", "reason"),
    [
        (Answered("Certainly! Here it is: {"), "schema: no JSON object in the reply"),
        (Answered('{"messages": [], "answers": []}'), "schema: messages: must end with what the user said"),
        (Answered(None), "schema: no JSON object in the reply"),
        (Answered('{"messages": [{"role"', finish_reason="length"), "schema: the reply was cut off"),
    ],
    ids=["prose", "empty", "nothing", "cut"],
)
async def test_a_bad_reply_is_rejected_and_kept_with_the_reason(
    server: Server, tmp_path: Path, answered: Answered, reason: str
) -> None:
    bad = PLAN.asks()[2].seed
    server.script = lambda body: answered if body["seed"] == bad else reply(body)
    report = await run(server, tmp_path)
    (entry,) = load_rejected(tmp_path / "out.rejected.jsonl")
    assert entry.reason.startswith(reason)
    assert (entry.reply, entry.row) == (answered.text or "", None)
    assert (report.rows, report.rejected) == (ROWS - 4, {"schema": 1})


async def test_a_row_that_the_judge_sees_otherwise_is_rejected(server: Server, tmp_path: Path) -> None:
    def harsh(body: Body) -> Answered:
        if body["model"] == "judge" and "weighs +2" in body["messages"][-1]["content"]:
            return Answered('{"who": "a baker", "effect": "He hangs up.", "weight": -1}')
        return reply(body)

    server.script = harsh
    report = await run(server, tmp_path)
    assert reasons(tmp_path) == ["judge: weight -1, the writer said 2: He hangs up."] * PLAN.situations
    assert (report.rows, report.squares) == (ROWS - PLAN.situations, 0)
    assert {row.consequence.weight for row in load_rows(tmp_path / "out.jsonl")} == {-2, -1, 1}


async def test_a_judge_that_cannot_be_read_confirms_nothing(server: Server, tmp_path: Path) -> None:
    server.script = lambda body: Answered("It depends.") if body["model"] == "judge" else reply(body)
    report = await run(server, tmp_path, ExpandPlan(situations=1))
    assert (report.rows, report.rejected) == (0, {"judge": 4})


async def test_the_first_of_two_near_duplicates_stays(server: Server, tmp_path: Path) -> None:
    server.script = lambda body: (
        reply(body) if body["model"] == "judge" else Answered(json.dumps(situation(body | ONE_FOR_ALL)))
    )
    report = await run(server, tmp_path, ExpandPlan(situations=3))
    first = ExpandPlan(situations=1)
    alone = tmp_path / "alone"
    await run(server, alone, first)
    assert (tmp_path / "out.jsonl").read_bytes() == (alone / "out.jsonl").read_bytes()
    assert (report.rows, report.rejected) == (4, {"near-duplicate": 8})


async def test_rows_come_not_near_those_they_are_held_against(server: Server, tmp_path: Path) -> None:
    await run(server, tmp_path, ExpandPlan(situations=2))
    known = tmp_path / "known.jsonl"
    write_rows(known, [row.model_copy(update={"situation_id": "x"}) for row in load_rows(tmp_path / "out.jsonl")[:4]])
    asked = len(server.asked)
    report = await run(
        server, tmp_path, ExpandPlan(situations=2), out=tmp_path / "new.jsonl", cache=tmp_path / "new", against=[known]
    )
    assert (report.rows, report.rejected) == (4, {"near-duplicate": 4})
    assert len(server.asked) - asked == 2 + 4  # what is known already is not worth a judge


async def test_a_run_is_not_held_against_its_own_rows(server: Server, tmp_path: Path) -> None:
    first = await run(server, tmp_path, ExpandPlan(situations=2))
    before = (tmp_path / "out.jsonl").read_bytes()
    again = await run(server, tmp_path, ExpandPlan(situations=2), against=[tmp_path])
    assert (again.rows, again.rejected) == (first.rows, first.rejected)
    assert (tmp_path / "out.jsonl").read_bytes() == before


async def test_a_refused_key_costs_no_row_even_by_force(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    await run(server, tmp_path, ExpandPlan(situations=2))
    before = out.read_bytes()
    server.script = lambda body: Answered(status=401, body=b'{"error": {"message": "no such key"}}')
    with pytest.raises(EndpointFailed):
        await run(server, tmp_path, ExpandPlan(situations=2, seed=9), cache=tmp_path / "new", force=True)
    assert out.read_bytes() == before


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_no_more_requests_are_under_way_than_allowed(server: Server, tmp_path: Path, concurrency: int) -> None:
    full, too_many = threading.Event(), threading.Event()

    def holds_until_full(body: Body) -> Answered:
        if server.under_way >= concurrency:
            full.set()
        if server.under_way > concurrency:
            too_many.set()
        assert full.wait(WAIT_S)
        if len(server.asked) <= concurrency:
            too_many.wait(0.2)  # leave one more the time to come
        return reply(body)

    server.script = holds_until_full
    await run(server, tmp_path, concurrency=concurrency)
    assert server.peak == concurrency


async def test_a_server_that_takes_no_schema_is_asked_without(server: Server, tmp_path: Path) -> None:
    error = {"error": {"message": "response_format other than text is not supported.", "param": "response_format"}}

    def plain(body: Body) -> Answered:
        return Answered(status=400, body=json.dumps(error).encode()) if "response_format" in body else reply(body)

    server.script = plain
    report = await run(server, tmp_path, concurrency=1)
    assert (report.rows, report.unanswered) == (ROWS, {})
    assert sum("response_format" in body for body in server.asked) == 2  # once each by writer and judge


@pytest.mark.parametrize(
    "answered",
    [Answered(status=400, body=b'{"error": {"message": "too long"}}'), Answered(body=b"[]"), Answered(body=b"<p>Hi")],
    ids=["refused", "no completion", "a page"],
)
async def test_a_situation_without_a_reply_is_counted_and_asked_for_again(
    server: Server, tmp_path: Path, answered: Answered
) -> None:
    bad = PLAN.asks()[2].seed
    server.script = lambda body: answered if body["seed"] == bad else reply(body)
    report = await run(server, tmp_path)
    assert (report.rows, sum(report.unanswered.values()), reasons(tmp_path)) == (ROWS - 4, 1, [])
    server.script = reply
    again = await run(server, tmp_path)
    assert (again.rows, again.requests, again.unanswered) == (ROWS, 5, {})


async def test_an_endpoint_that_is_gone_ends_the_run(server: Server, tmp_path: Path) -> None:
    server.script = lambda body: Answered(status=400, body=b'{"error": {"message": "worn out"}}')
    with pytest.raises(EndpointFailed, match="worn out"):
        await run(server, tmp_path, ExpandPlan(situations=100), concurrency=1)
    assert len(server.asked) == GIVE_UP_AFTER


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refusal_that_would_meet_all_requests_ends_the_run(server: Server, tmp_path: Path, status: int) -> None:
    server.script = lambda body: Answered(status=status, body=b'{"error": {"message": "not for you"}}')
    with pytest.raises(EndpointFailed, match="not for you"):
        await run(server, tmp_path, concurrency=1)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("judge", "unjudged", "said"),
    [("writer", False, "cannot judge what it wrote itself"), (None, False, "No judge"), ("judge", True, "Leave one")],
    ids=["the same", "none", "both"],
)
async def test_another_model_judges_or_it_is_said_that_none_does(
    server: Server, tmp_path: Path, judge: str | None, unjudged: bool, said: str
) -> None:
    endpoint = None if judge is None else Endpoint(judge, f"{server.url}/")
    with pytest.raises(InvalidRequest, match=said):
        await run(server, tmp_path, judge=endpoint, unjudged=unjudged)
    assert server.asked == []
    assert not (tmp_path / "out.jsonl").exists()


async def test_without_a_judge_none_is_asked(server: Server, tmp_path: Path) -> None:
    report = await run(server, tmp_path, judge=None, unjudged=True)
    assert (report.rows, len(server.asked)) == (ROWS, PLAN.situations)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "does not write"),
        ({"provenance": {"kind": "generated", "generator": "x", "human_reviewed": True}}, "a person reviewed"),
    ],
    ids=["foreign", "reviewed"],
)
async def test_rows_that_cannot_be_made_again_are_not_overwritten(
    server: Server, tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    write_rows(tmp_path / "out.jsonl", [row_of(**changes)])
    with pytest.raises(DataError, match=said):
        await run(server, tmp_path)
    assert (server.asked, load_rows(tmp_path / "out.jsonl")) == ([], [row_of(**changes)])
    assert (await run(server, tmp_path, force=True)).rows == ROWS


async def test_what_a_person_turned_down_is_not_overwritten(server: Server, tmp_path: Path) -> None:
    line = '{"reason": "flat", "date": "2026-01-02"}\n'
    (tmp_path / "out.rejected.jsonl").write_text(line)
    with pytest.raises(DataError, match="turned down"):
        await run(server, tmp_path)
    assert (tmp_path / "out.rejected.jsonl").read_text() == line


async def test_a_longer_plan_goes_on_from_a_shorter_one(server: Server, tmp_path: Path) -> None:
    await run(server, tmp_path)
    shorter, _ = files(tmp_path)
    report = await run(server, tmp_path, ExpandPlan(situations=8))
    assert (report.rows, report.cached) == (32, REQUESTS)
    assert files(tmp_path)[0].startswith(shorter)


async def test_balance_is_reported_and_drops_nothing(server: Server, tmp_path: Path) -> None:
    def questioning(body: Body) -> Answered:
        if body["model"] == "judge":
            return reply(body)
        told = situation(body)
        told["answers"][0]["response"] += " Or not, in the end, if you would rather have it so?"
        return Answered(json.dumps(told))

    server.script = questioning
    report = await run(server, tmp_path)
    opens, closes = report.balance.opens, report.balance.closes
    assert (opens.answers, opens.words, opens.questions) == (12, 23, 0.5)
    assert (closes.answers, closes.words, closes.questions) == (12, 17, 0)
    assert (report.balance.one_sided, report.balance.uneven, report.rows) == (PLAN.situations, PLAN.situations, ROWS)


ONE_FOR_ALL: Body = {"messages": [{"role": "user", "content": "the same"}], "seed": 1}
