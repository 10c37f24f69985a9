"""Replicas of the whole service behind Ray: one API, each reflection in one replica, and none lost by a change."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest
from cluster.conftest import Cluster, engine_processes, until
from live.test_adapters import scaled

pytestmark = pytest.mark.timeout(900)  # of a test that starts replicas: each takes vLLM's whole start

QUESTION: list[Any] = [
    {"role": "user", "content": "I've been trying to learn piano for a month but I'm still terrible."}
]
BODY = {"model": "tear-nano", "messages": QUESTION}


# Scaling


def test_work_brings_another_replica(cluster: Cluster, http: httpx.Client) -> None:
    assert len(cluster.replicas) == 1
    with work(http, threads=8) as replies:
        until(lambda: len(cluster.replicas) == 2, limit_s=60)
    cluster.settled(2)
    assert lost(replies) == []


# One API


def test_the_openai_sdk_is_answered(two: Cluster, sdk: openai.OpenAI) -> None:
    reply = sdk.chat.completions.create(model="tear-nano", messages=QUESTION, seed=1)
    reflection = (reply.choices[0].message.model_extra or {})["reflection"]
    assert reply.choices[0].message.content == reflection["answer"] != ""
    assert [model.id for model in sdk.models.list()] == ["tear-nano", "tear-nano-direct"]


def test_a_stream_comes_in_parts_and_joins_to_the_plain_reply(two: Cluster, sdk: openai.OpenAI) -> None:
    whole = sdk.chat.completions.create(model="tear-nano", messages=QUESTION, temperature=0)
    began, arrived, parts = time.monotonic(), [], []
    for chunk in sdk.chat.completions.create(model="tear-nano", messages=QUESTION, temperature=0, stream=True):
        arrived.append(time.monotonic() - began)
        parts += [choice.delta.content or "" for choice in chunk.choices]
    assert "".join(parts) == whole.choices[0].message.content
    assert arrived[2] < arrived[-1] / 2, "the proxy kept the stream back"


def test_errors_and_request_ids_are_those_of_one_server(two: Cluster, http: httpx.Client) -> None:
    refused = http.post("/v1/chat/completions", json={**BODY, "model": "gpt-9"}, headers={"x-request-id": "mine"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")
    assert refused.headers.get_list("x-request-id") == ["mine"]
    answered = http.post("/v1/chat/completions", json=BODY)
    [request_id] = answered.headers.get_list("x-request-id")
    assert answered.json()["id"] == f"chatcmpl-{request_id}"


def test_keys_are_asked_for_behind_the_proxy(two: Cluster) -> None:
    reply = httpx.post(f"{two.url}/v1/chat/completions", json=BODY)
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "invalid_api_key")
    assert httpx.get(f"{two.url}/health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", ""), ("POST", "/tear-nano/rollback"), ("DELETE", "/tear-nano")],
    ids=["load", "rollback", "remove"],
)
def test_no_replica_is_changed_alone(two: Cluster, method: str, path: str) -> None:
    headers = {"authorization": f"Bearer {two.admin_key}"}
    reply = httpx.request(method, f"{two.url}/v1/adapters{path}", headers=headers, json={"path": "second"})
    assert reply.status_code == 400
    assert "Change the deployment" in reply.json()["error"]["message"]
    listed = httpx.get(f"{two.url}/v1/adapters", headers=headers).raise_for_status().json()["data"]
    assert len(listed) == 1


# Limits


def test_what_is_too_much_waits_and_what_is_more_is_refused_with_when_to_come_again(
    two: Cluster, http: httpx.Client
) -> None:
    two.deploy(max_ongoing_requests=1, max_queued_requests=2)
    until(lambda: two.options["max_ongoing_requests"] == 1 and two.status == "HEALTHY", limit_s=60)
    with ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda _: http.post("/v1/chat/completions", json=BODY), range(12)))
    two.deploy(max_ongoing_requests=256, max_queued_requests=512)
    until(lambda: two.options["max_ongoing_requests"] == 256 and two.status == "HEALTHY", limit_s=60)
    statuses = Counter(reply.status_code for reply in replies)
    print(f"one at once in each of two replicas, two may wait: {statuses}")
    assert statuses.keys() == {200, 503}
    assert statuses[200] >= 4
    assert {reply.headers["retry-after"] for reply in replies if reply.status_code == 503} == {"1"}


# Metrics


def test_one_page_shows_what_every_replica_counted(two: Cluster, http: httpx.Client) -> None:
    before = count(two, "tear_reflections_total")
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: http.post("/v1/chat/completions", json=BODY), range(16)))
    after = count(two, "tear_reflections_total")
    assert {reply.status_code for reply in replies} == {200}
    assert set(after) == {replica.id for replica in two.running}
    assert sum(after.values()) - sum(before.values()) == 16
    assert all(after[replica] > before[replica] for replica in after), "one replica did all the work"
    assert set(count(two, "vllm:num_requests_running")) == set(after)


# Leaving


def test_leaving_a_stream_aborts_the_engines_work(two: Cluster, http: httpx.Client) -> None:
    before = cancelled(two)
    with http.stream("POST", "/v1/chat/completions", json={**BODY, "stream": True}) as reply:
        next(line for line in reply.iter_lines() if '"reasoning"' in line)
    until(lambda: cancelled(two) == before + 1, limit_s=10)
    assert at_work(two) == 0


def test_leaving_a_plain_request_aborts_the_engines_work(two: Cluster, http: httpx.Client) -> None:
    before = cancelled(two)
    many = {**BODY, "n": 8, "temperature": 1.0}
    with pytest.raises(httpx.ReadTimeout):
        http.post("/v1/chat/completions", json=many, timeout=0.5)
    until(lambda: cancelled(two) > before, limit_s=10)
    until(lambda: at_work(two) == 0, limit_s=10)


# What befalls a replica


def test_a_killed_replica_costs_no_more_than_its_own_requests(two: Cluster, http: httpx.Client) -> None:
    victim, other = two.running
    engines = engine_processes([victim.pid])
    assert engines, "the replica has no engine of its own"
    assert victim.pid is not None
    with work(http, threads=4) as replies:
        until(lambda: len(replies) > 8, limit_s=60)
        os.kill(victim.pid, signal.SIGKILL)
        until(lambda: victim.id not in {replica.id for replica in two.running}, limit_s=60)
        answered = len(replies)
        until(lambda: len(replies) > answered + 8, limit_s=60)
        _, left = psutil.wait_procs(engines, timeout=30)
        assert not left, "the killed replica's engine still holds its memory"
    two.settled(2)
    assert other.id in {replica.id for replica in two.running}
    print(f"of {len(replies)} requests were lost with the replica: {lost(replies)}")
    assert len(lost(replies)) <= 4, "more than were with the killed replica"
    assert {status for status, _ in lost(replies)} <= {500}
    told = count(two, "tear_reflections_total")
    until(lambda: http.post("/v1/chat/completions", json=BODY).is_success and spread(two, told) == 2, limit_s=60)


def test_a_replica_whose_engine_died_is_replaced_and_who_asks_again_loses_nothing(
    two: Cluster, sdk: openai.OpenAI
) -> None:
    victim, other = two.running
    persistent = sdk.with_options(max_retries=8)
    enough = threading.Event()
    answers: list[str | None] = []

    def ask() -> None:
        while not enough.is_set():
            reply = persistent.chat.completions.create(model="tear-nano", messages=QUESTION)
            answers.append(reply.choices[0].message.content)

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            until(lambda: len(answers) > 4, limit_s=60)
            began = time.monotonic()
            engine_processes([victim.pid])[0].kill()
            until(lambda: victim.id not in {replica.id for replica in two.running}, limit_s=60)
            print(f"out of the round after {time.monotonic() - began:.1f} s")
            two.settled(2)
        finally:
            enough.set()
    for each in asking:
        each.result()
    assert all(answers)
    assert {replica.id for replica in two.running} > {other.id}


# What an operator changes


def test_an_adapter_flips_in_all_replicas_without_a_restart(
    two: Cluster, http: httpx.Client, nano_adapter: Path
) -> None:
    before, replicas = adapters(two), {replica.id for replica in two.running}
    second = scaled(nano_adapter, two.adapters / "second", 0.9)
    with work(http, threads=4, streams=True) as replies:
        until(lambda: len(replies) > 4, limit_s=60)
        began = time.monotonic()
        two.deploy(user_config={"adapter": "second"})
        until(lambda: adapters(two) == {second}, limit_s=60)
        took_s = time.monotonic() - began
        flipped = len(replies)
        until(lambda: len(replies) > flipped + 8, limit_s=60)
    two.settled(2)
    print(f"flipped in {took_s:.1f} s under {len(replies)} requests")
    assert whole(replies) == before | {second}
    assert {replica.id for replica in two.running} == replicas

    shutil.copytree(nano_adapter, two.adapters / "first")
    two.deploy(user_config={"adapter": "first"})
    until(lambda: adapters(two) == before, limit_s=60)
    two.deploy(user_config=None)
    two.settled(2)


def test_an_adapter_is_rolled_out_to_all_and_no_request_is_lost(
    two: Cluster, http: httpx.Client, nano_adapter: Path, tmp_path: Path
) -> None:
    first, second = adapters(two), scaled(nano_adapter, tmp_path / "second", 0.9)
    engines = engine_processes([replica.pid for replica in two.running])
    began = time.monotonic()
    with work(http, threads=4, streams=True) as replies:
        two.deploy(variables={"TEAR_ADAPTER": str(tmp_path / "second")})
        until(lambda: two.status == "UPDATING", limit_s=60)
        two.settled(2)
        until(lambda: adapters(two).isdisjoint(first), limit_s=60)
        rolled_out = len(replies)
        until(lambda: len(replies) > rolled_out + 8, limit_s=60)
    print(f"rolled out in {time.monotonic() - began:.0f} s under {len(replies)} requests")
    assert whole(replies) == first | {second}
    assert versions(replies[-4:]) == adapters(two) == {second}
    assert not psutil.wait_procs(engines, timeout=30)[1], "an engine of the version before is still there"


def test_an_adapter_that_cannot_be_served_leaves_a_replica_that_answers(
    two: Cluster, http: httpx.Client, nano_adapter: Path, tmp_path: Path
) -> None:
    damaged = Path(shutil.copytree(nano_adapter, tmp_path / "damaged"))
    weights = damaged / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    served, was = adapters(two), two.variables["TEAR_ADAPTER"]
    with work(http, threads=2) as replies:
        two.deploy(variables={"TEAR_ADAPTER": str(damaged)})
        until(lambda: two.application["status"] == "DEPLOY_FAILED", limit_s=240)
        failed = len(replies)
        until(lambda: len(replies) > failed + 4, limit_s=60)
    assert lost(replies) == []
    assert adapters(two) == served
    assert f"{weights} is damaged" in two.application["deployments"]["Tear"]["message"]

    two.deploy(variables={"TEAR_ADAPTER": was})
    two.settled(2)
    assert adapters(two) == served


def test_rays_own_logs_go_on(two: Cluster) -> None:
    for replica in two.running:
        [log] = (two.logs / "serve").glob(f"replica_*_{replica.id}.log")
        assert "Finished initializing replica" in log.read_text()


@contextmanager
def work(http: httpx.Client, *, threads: int, streams: bool = False) -> Iterator[list[httpx.Response]]:
    """Requests without a pause, so many at a time, with `streams` every other one streamed; the replies so far."""
    replies: list[httpx.Response] = []
    done = threading.Event()
    seeds = itertools.count()

    def ask() -> None:
        while not done.is_set():
            seed = next(seeds)
            body = {**BODY, "seed": seed, "stream": streams and seed % 2 == 1}
            replies.append(http.post("/v1/chat/completions", json=body))

    with ThreadPoolExecutor(threads) as pool:
        asking = [pool.submit(ask) for _ in range(threads)]
        try:
            yield replies
        finally:
            done.set()
    for each in asking:
        each.result()


def whole(replies: list[httpx.Response]) -> set[str]:
    """The adapters that answered, none of the replies being lost, cut or made by two."""
    assert lost(replies) == []
    streams = [reply for reply in replies if reply.headers["content-type"].startswith("text/event-stream")]
    assert streams, "nothing was streamed"
    assert all(reply.text.endswith("data: [DONE]\n\n") for reply in streams), "a stream was cut"
    assert all(len(versions([reply])) == 1 for reply in replies), "a reply mixes two versions"
    return versions(replies)


def versions(replies: list[httpx.Response]) -> set[str]:
    """What replies say of the adapter that answered."""
    return {name for reply in replies for name in re.findall(r'"(?:system_fingerprint|adapter)":"([^"]+)"', reply.text)}


def lost(replies: list[httpx.Response]) -> list[tuple[int, str]]:
    """Status and words of what is no answer."""
    return [(reply.status_code, reply.text) for reply in replies if not reply.is_success]


def count(cluster: Cluster, metric: str, labels: str = "") -> dict[str, float]:
    """The sum of a metric's series in each replica."""
    found: dict[str, float] = {}
    for told, value in re.findall(rf"^{metric}\{{([^}}]*)\}} (\S+)$", cluster.metrics(), re.MULTILINE):
        replica = re.search(r'replica="(\w+)"', told)
        assert replica, f"{metric} does not say whose it is: {told}"
        if labels in told:
            found[replica[1]] = found.get(replica[1], 0.0) + float(value)
    return found


def cancelled(cluster: Cluster) -> float:
    return sum(count(cluster, "tear_reflections_total", 'outcome="cancelled"').values())


def at_work(cluster: Cluster) -> float:
    """What vLLM runs or has waiting, anywhere."""
    return sum(sum(count(cluster, f"vllm:num_requests_{state}").values()) for state in ("running", "waiting"))


def adapters(cluster: Cluster) -> set[str]:
    return set(re.findall(r'^tear_adapter_info\{adapter="([^"]+)"', cluster.metrics(), re.MULTILINE))


def spread(cluster: Cluster, before: dict[str, float]) -> int:
    """How many replicas have answered since `before`."""
    now = count(cluster, "tear_reflections_total")
    return sum(now[replica] > before.get(replica, 0.0) for replica in now)
