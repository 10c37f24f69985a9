"""`tear serve --engine` before a real nginx before two real vLLM servers, started as docs/operations.md says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from conftest import ROOT
from docs.pages import read
from live.conftest import START_LIMIT_S, LiveServer, free_port, start_server

from tear_chain.events import Completed, Event, StageCompleted, TextDelta
from tear_chain.prepared import load_prepared
from tear_chain.wire import load_event
from tear_chain.words import WEIGHTS, Stage
from tear_server.adapters import open_adapter

NGINX = Path("/usr/sbin/nginx")
CONFIG = ROOT / "deploy" / "nginx" / "engines.conf"
COMMAND = shlex.split(read("operations.md").section("Many engines").code("sh")[1].replace("\\\n", ""))
CONTEXT = 2048
COUNT_LIMIT_S = 10
WORRY = "I've been trying to learn piano for a month but I'm still terrible."


@dataclass(frozen=True)
class VllmServer:
    """One engine, in processes of its own."""

    url: str
    process: psutil.Process

    def total(self, metric: str) -> float:
        """The sum of a metric's series."""
        page = httpx.get(f"{self.url}/metrics", timeout=20).text
        return sum(float(value) for value in re.findall(rf"^{metric}(?:\{{[^}}]*\}})? (\S+)$", page, re.MULTILINE))

    @property
    def served(self) -> float:
        """Requests that it ended, in whatever way."""
        return self.total("vllm:request_success_total")

    @property
    def generated(self) -> float:
        """Tokens that it wrote."""
        return self.total("vllm:generation_tokens_total")

    @property
    def running(self) -> float:
        """Requests that it works on."""
        return self.total("vllm:num_requests_running")

    def kill(self) -> None:
        """What a crash or a lost machine does to it."""
        for process in (self.process, *self.process.children(recursive=True)):
            process.kill()


@dataclass(frozen=True)
class Pool:
    """Engines, and the server that is served by them."""

    engines: tuple[VllmServer, VllmServer]
    server: LiveServer

    def served(self) -> list[float]:
        """Requests that each engine ended."""
        return [engine.served for engine in self.engines]

    def grown(self, before: list[float], at_least: float) -> list[float]:
        """Requests that each has ended since, once they are so many: vLLM counts a request after it was answered."""
        deadline = time.monotonic() + COUNT_LIMIT_S
        while True:
            grown = [after - start for after, start in zip(self.served(), before, strict=True)]
            if sum(grown) >= at_least:
                return grown
            assert time.monotonic() < deadline, f"only {grown} requests of {at_least} were counted"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory, nano_base: Path, nano_adapter: Path) -> Iterator[Pool]:
    if not NGINX.exists():  # CI installs it, and refuses skips
        pytest.skip(f"{NGINX} is not there, and this test runs a real one. On Debian: apt-get install nginx-light")
    folder = tmp_path_factory.mktemp("engines")
    with ExitStack() as stack:
        engines = [start_vllm(stack, folder / f"vllm-{place}.log", nano_base, nano_adapter) for place in (1, 2)]
        for engine in engines:
            wait_for(f"{engine.url}/health", engine.process, folder)
        router = start_nginx(stack, folder, engines)
        server = stack.enter_context(start_server(folder, nano_base, nano_adapter, "--engine", router))
        yield Pool((engines[0], engines[1]), server)


@pytest.fixture
def http(pool: Pool) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=pool.server.url, timeout=120) as client:
        yield client


def start_vllm(stack: ExitStack, log: Path, base: Path, adapter: Path) -> VllmServer:
    """Run the page's own command, with folders, port and window in place of its examples."""
    port = free_port()
    name = open_adapter(adapter, load_prepared(base)).name
    places = {
        "python": sys.executable,
        "bases/ministral-3b": str(base),
        "witness-2e03aa365d68=adapters/first": f"{name}={adapter}",
        "8000": str(port),
        "8192": str(CONTEXT),
    }
    words = [places.get(word, word) for word in COMMAND]
    first = words.index(sys.executable)
    variables = dict(word.split("=", 1) for word in words[:first])
    return VllmServer(f"http://127.0.0.1:{port}", start(stack, words[first:], log, variables))


def start_nginx(stack: ExitStack, folder: Path, engines: list[VllmServer]) -> str:
    """Run nginx with the file that we ship, its addresses replaced."""
    port = free_port()
    shipped = CONFIG.read_text()
    for example, engine in zip(("engine-1:8000", "engine-2:8000"), engines, strict=True):
        assert example in shipped
        shipped = shipped.replace(example, engine.url.removeprefix("http://"))
    shipped = shipped.replace("listen 8000;", f"listen 127.0.0.1:{port};")
    paths = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    http = f"access_log off; {paths}\n{shipped}"
    config.write_text(f"daemon off; pid {folder}/nginx.pid; error_log stderr; events {{}} http {{ {http} }}")
    process = start(stack, [str(NGINX), "-p", str(folder), "-c", str(config)], folder / "nginx.log", {})
    url = f"http://127.0.0.1:{port}"
    wait_for(f"{url}/health", process, folder)
    return url


def start(stack: ExitStack, command: list[str], log: Path, variables: Mapping[str, str]) -> psutil.Process:
    """A process that is ended, with all that it started, when the stack is."""
    with log.open("wb") as output:
        popen = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, env={**os.environ, **variables}
        )
    process = psutil.Process(popen.pid)

    def end() -> None:
        family = [process, *process.children(recursive=True)] if process.is_running() else []
        popen.terminate()
        _, alive = psutil.wait_procs(family, timeout=20)
        for each in alive:
            each.kill()
        popen.wait()

    stack.callback(end)
    return process


def wait_for(url: str, process: psutil.Process, folder: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.25)
    logs = "\n".join(f"{log.name}: {log.read_text()[-2000:]}" for log in folder.glob("*.log"))
    raise AssertionError(f"{url} did not answer:\n{logs}")


def stream(http: httpx.Client, body: dict[str, Any], session: str) -> list[tuple[float, Event]]:
    """A reflection's events, each with the time at which it came."""
    events: list[tuple[float, Event]] = []
    headers = {"x-session-id": session}
    with http.stream("POST", "/v1/reflections", json=body | {"stream": True}, headers=headers) as reply:
        assert reply.status_code == 200
        name = ""
        for line in reply.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                event = load_event(name, line.removeprefix("data: "))
                assert event is not None
                events.append((time.monotonic(), event))
    return events


def asking(text: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **fields}


def test_a_reflection_streams_through_the_router(http: httpx.Client) -> None:
    events = stream(http, asking(WORRY, revise_threshold=0, seed=1), "streams")
    last = events[-1][1]
    assert isinstance(last, Completed), last
    reflection = last.reflection
    assert [report.stage for report in reflection.stages] == list(Stage)
    assert WEIGHTS[0] <= (reflection.expected_weight or 0.0) <= WEIGHTS[-1]
    assert 0 < (reflection.revise_probability or 0.0) < 1
    came = {round(at, 2) for at, event in events if isinstance(event, TextDelta)}
    assert len(came) > 2 * len(Stage)  # a router that holds replies back would bring each stage in one piece


def test_all_turns_of_a_conversation_with_all_their_stages_stay_on_one_engine(pool: Pool, http: httpx.Client) -> None:
    for topic in ("piano", "chess", "my uncle's shed"):
        before = pool.served()
        messages = [{"role": "user", "content": f"Tell me about {topic}."}]
        for _ in range(3):
            body = {"messages": messages, "reflection": {"revise_threshold": 0}}
            reply = http.post("/v1/chat/completions", json=body).raise_for_status().json()
            answer = reply["choices"][0]["message"]["content"]
            messages += [{"role": "assistant", "content": answer}, {"role": "user", "content": "And then?"}]
        grown = pool.grown(before, at_least=3)  # one for each chain, and one more where its decision is overruled
        assert min(grown) == 0


def test_conversations_are_spread_over_the_engines(pool: Pool, http: httpx.Client) -> None:
    before = pool.served()
    for number in range(16):
        # Greedy and cut by its limit: vLLM counts no request that the server ends, as it does at a stray token.
        limits = {"max_completion_tokens": 16, "temperature": 0}
        body = asking(WORRY, model="tear-nano-direct", session_id=f"caller-{number}", **limits)
        http.post("/v1/chat/completions", json=body).raise_for_status()
    grown = pool.grown(before, at_least=16)
    assert min(grown) >= 1
    assert sum(grown) == 16


def test_a_later_turn_finds_the_earlier_ones_cached(http: httpx.Client) -> None:
    body = asking(WORRY * 8, model="tear-nano-direct", max_completion_tokens=16)
    http.post("/v1/chat/completions", json=body).raise_for_status()
    body["messages"] += [{"role": "assistant", "content": "Go on."}, {"role": "user", "content": "Should I?"}]
    usage = http.post("/v1/chat/completions", json=body).raise_for_status().json()["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] > usage["prompt_tokens"] / 2


def test_leaving_aborts_the_work_of_the_engine(pool: Pool, http: httpx.Client) -> None:
    body = asking(WORRY, seed=1, reflection={"revise_threshold": 0})
    whole = http.post("/v1/chat/completions", json=body).raise_for_status().json()["usage"]["completion_tokens"]
    before = sum(engine.generated for engine in pool.engines)
    with http.stream("POST", "/v1/chat/completions", json=body | {"stream": True}) as reply:
        lines = (line for line in reply.iter_lines() if '"reasoning"' in line)
        next(lines), next(lines)
    deadline = time.monotonic() + 10
    while sum(engine.running for engine in pool.engines) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sum(engine.running for engine in pool.engines) == 0
    assert sum(engine.generated for engine in pool.engines) - before < whole / 2


def test_an_engine_that_dies_loses_no_reflection(pool: Pool, http: httpx.Client) -> None:
    """Run last: one engine is gone after it."""
    killed = threading.Event()

    def call(number: int) -> list[list[tuple[float, Event]]]:
        """One reflection after another, the last of them begun before an engine was killed."""
        body = asking(WORRY, revise_threshold=0, seed=number, model=("tear-nano", "tear-nano-direct")[number % 2])
        told = [stream(http, body, f"caller-{number}")]
        while not killed.is_set():
            told.append(stream(http, body, f"caller-{number}"))
        return told

    with ThreadPoolExecutor(8) as threads:
        runs = [threads.submit(call, number) for number in range(8)]
        try:
            busiest(pool).kill()
        finally:
            killed.set()
        readiness = [http.get("/ready").status_code]
        while not all(run.done() for run in runs):
            readiness.append(http.get("/ready").status_code)
            time.sleep(0.05)
        told = [events for run in runs for events in run.result()]
    assert set(readiness) == {200}
    for events in told:
        last = events[-1][1]
        assert isinstance(last, Completed), last
        for stage in (Stage.DRAFT, Stage.REVISED):
            deltas = [event.text for _, event in events if isinstance(event, TextDelta) and event.stage is stage]
            texts = [
                event.text for _, event in events if isinstance(event, StageCompleted) and event.report.stage is stage
            ]
            assert "".join(deltas) == "".join(texts)
    page = http.get("/metrics").text
    assert float(re.findall(r"^tear_engine_retries_total (\S+)$", page, re.MULTILINE)[0]) >= 1
    assert set(re.findall(r'^tear_reflections_total\{.*outcome="failed"\} (\S+)$', page, re.MULTILINE)) == {"0.0"}
    assert "vllm:" not in page
    for number in range(8):
        later = http.post("/v1/reflections", json=asking("Hi.", session_id=f"later-{number}"))
        assert later.status_code == 200, later.text
    assert http.get("/ready").status_code == 200


def busiest(pool: Pool) -> VllmServer:
    """The engine with the most work, once it has several reflections in the midst."""
    deadline = time.monotonic() + COUNT_LIMIT_S
    while time.monotonic() < deadline:
        running = [engine.running for engine in pool.engines]
        if max(running) >= 3:
            return pool.engines[running.index(max(running))]
    raise AssertionError("no engine was ever busy")
