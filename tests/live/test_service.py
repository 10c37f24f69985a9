"""The live server as an operator and a browser's network see it."""

from __future__ import annotations

import re
import time
from itertools import islice, pairwise

import httpx
from live.conftest import LiveServer

LONG = {"messages": [{"role": "user", "content": "Tell me."}], "reflection": {"mode": "off"}}


def test_metrics_count_reflections_and_show_vllm(http: httpx.Client) -> None:
    before = _metric(http, 'tear_reflections_total{model="tear-nano-direct",outcome="bypassed"}')
    http.post("/v1/chat/completions", json={"model": "tear-nano-direct", **LONG}).raise_for_status()
    after = _metric(http, 'tear_reflections_total{model="tear-nano-direct",outcome="bypassed"}')
    assert after == before + 1
    page = http.get("/metrics").text
    assert "vllm:num_requests_running" in page
    assert "tear_adapter_info" in page


def test_later_stages_are_answered_from_the_prefix_cache(http: httpx.Client) -> None:
    long_question = "I've been trying to learn piano for a month but I'm still terrible. " * 8
    body = {"messages": [{"role": "user", "content": long_question}], "draft": "Maybe piano just isn't for you."}
    http.post("/v1/reflections", json=body).raise_for_status()
    stages = http.post("/v1/reflections", json={**body, "revise_threshold": 0}).json()["stages"]
    block = 32  # only whole blocks are cached, and never the last token
    for before, stage in pairwise(stages[1:]):
        assert stage["cached_tokens"] >= before["prompt_tokens"] + before["tokens"] - 2 * block > 0


def test_leaving_aborts_the_engines_work(live: LiveServer, http: httpx.Client) -> None:
    """A reader who closes a stream during the draft stops the chain: vLLM has nothing left to run."""
    body = {"model": "tear-nano", "stream": True, "messages": LONG["messages"]}
    cancelled = 'tear_reflections_total{model="tear-nano",outcome="cancelled"}'
    before = _metric(http, cancelled)
    with httpx.stream("POST", f"{live.url}/v1/chat/completions", json=body, timeout=60) as reply:
        # The first line opens the draft before the engine has begun it.
        written = (line for line in reply.iter_lines() if '"reasoning"' in line)
        next(islice(written, 2, None))
    deadline = time.monotonic() + 10
    while (_metric(http, cancelled) == before or _running(http) > 0) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (_metric(http, cancelled), _running(http)) == (before + 1, 0)


def test_health_ready_and_version(http: httpx.Client) -> None:
    assert http.get("/health").json() == {"status": "ok"}
    assert http.get("/ready").json() == {"status": "ok"}
    version = http.get("/version").json()
    assert version["adapter"]["name"].startswith("witness-")


def test_oversized_conversation_is_refused_before_it_is_generated(http: httpx.Client) -> None:
    reply = http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "word " * 20_000}]})
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (400, "context_length_exceeded", "messages")


def _metric(http: httpx.Client, series: str) -> float:
    found = re.search(rf"^{re.escape(series)} (\S+)$", http.get("/metrics").text, re.MULTILINE)
    assert found, f"/metrics has no {series}"
    return float(found.group(1))


def _running(http: httpx.Client) -> float:
    values = re.findall(r"^vllm:num_requests_(?:running|waiting)\{[^}]*\} (\S+)$", http.get("/metrics").text, re.M)
    return sum(map(float, values))
