"""The Dockerfile and the compose file, unchanged, in a Docker engine of this test's own: `make deploy-check`.

No image can be pulled here, so those of others are stood in for by Debian's packages under the same names. Takes some
minutes and 12 GB in the temporary folder, and root. Not part of `make test`.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import ROOT
from deploy.files import COMPOSE, DEPLOY, command, services
from live.conftest import free_port

DEBIAN = "bookworm"
PYTHON = "python:3.11-slim-bookworm"
IMAGE = "the-tear:cpu"
HEALTHY_LIMIT_S = 240
HINT = "apt-get install --no-install-recommends docker.io docker-compose mmdebstrap"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
"""This machine's own: the index may be behind a proxy that only they know."""
WORRY = "I've been trying to learn piano for a month but I'm still terrible."
KEY = re.compile(r"^tear-[\w-]{43}$", re.MULTILINE)
pytestmark = pytest.mark.timeout(1800)


@dataclass(frozen=True)
class Docker:
    """A client of the engine."""

    folder: Path

    def __call__(self, *words: str | Path, stdin: str | None = None, **variables: str) -> str:
        """Run a command; what it prints on both streams."""
        environment = os.environ | {
            "DOCKER_HOST": f"unix://{self.folder}/socket",
            "DOCKER_BUILDKIT": "1",
            # Debian's client has BuildKit inside; a newer one elsewhere may lack its plugin.
            "PATH": f"/usr/bin:{os.environ['PATH']}",
            **variables,
        }
        done = subprocess.run(
            words, input=stdin, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
        )
        assert done.returncode == 0, f"{' '.join(map(str, words))}:\n{done.stdout[-4000:]}"
        return done.stdout

    def inspect(self, container: str) -> Any:
        """What the engine knows of a container."""
        return json.loads(self("docker", "inspect", container))[0]

    def healthy(self, container: str) -> float:
        """Seconds until the image's own check says so."""
        began = time.monotonic()
        while time.monotonic() - began < HEALTHY_LIMIT_S:
            state = self.inspect(container)["State"]
            if state["Health"]["Status"] == "healthy":
                return time.monotonic() - began
            if not state["Running"]:
                break
            time.sleep(0.5)
        raise AssertionError(f"{container} is not healthy:\n{self('docker', 'logs', container)[-6000:]}")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing of it."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """An engine with a socket, a data folder and a process id of its own; all of it is gone afterwards."""
    for name in ("dockerd", "docker", "docker-compose", "mmdebstrap", "docker-init"):
        command(name, hint=HINT)
    folder = tmp_path_factory.mktemp("docker")
    with (folder / "log").open("wb") as log:
        engine = subprocess.Popen(
            [
                *("dockerd", "--data-root", folder / "data", "--exec-root", folder / "exec"),
                *("--host", f"unix://{folder}/socket", "--pidfile", folder / "pid", "--storage-driver", "overlay2"),
            ],
            stdout=log,
            stderr=log,
        )
    client = Docker(folder)
    try:
        _until(lambda: client("docker", "version"), limit_s=60)
        yield client
    finally:
        for container in client("docker", "ps", "--all", "--quiet").split():
            client("docker", "rm", "--force", "--volumes", container)
        engine.terminate()
        engine.wait(timeout=60)
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def image(docker: Docker) -> str:
    """The image for CPUs, built as it stands."""
    base = docker.folder / "base.tar"
    packages = "python3,python3-venv,python3-pip,ca-certificates"
    docker("mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", DEBIAN, base)
    docker("docker", "import", base, "debian-base")
    context = docker.folder / "context"
    context.mkdir()
    shutil.copy(CERTIFICATES, context)
    recipe = f"FROM debian-base\nCOPY {CERTIFICATES.name} {CERTIFICATES}\n"
    docker("docker", "build", "--quiet", "--tag", PYTHON, "--file", "-", context, stdin=recipe)
    began = time.monotonic()
    with _wheels() as found:
        arguments = [f"--build-arg={name}" for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL") if name in os.environ]
        docker("docker", "build", "--network", "host", "--target", "cpu", "--tag", IMAGE, *arguments, *found, ROOT)
    took_s = time.monotonic() - began
    [about] = json.loads(docker("docker", "image", "inspect", IMAGE))
    print(f"\nbuilt in {took_s:.0f} s, {about['Size'] / 1e9:.2f} GB")
    return IMAGE


@pytest.fixture(scope="session")
def prometheus(docker: Docker, image: str) -> None:
    """Debian's Prometheus under the name that compose asks for."""
    recipe = f"""FROM {PYTHON}
RUN apt-get update && apt-get install --yes --no-install-recommends prometheus && install -d -o nobody /prometheus
USER nobody
ENTRYPOINT ["prometheus"]
"""
    docker("docker", "build", "--network", "host", "--tag", services()["prometheus"]["image"], "-", stdin=recipe)


@pytest.fixture(scope="module")
def alone(docker: Docker, image: str) -> Iterator[tuple[str, str]]:
    """A container of the image with a published port, shut as tightly as it goes: its URL and its key."""
    port = free_port()
    docker(
        *("docker", "run", "--detach", "--name", "alone", "--publish", f"127.0.0.1:{port}:8000", "--read-only"),
        *("--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", image),
    )
    print(f"\nhealthy after {docker.healthy('alone'):.0f} s, {_memory(docker, 'alone')} of memory")
    [key] = KEY.findall(docker("docker", "logs", "alone"))
    yield f"http://127.0.0.1:{port}", key
    docker("docker", "rm", "--force", "alone")


def test_docker_run_with_nothing_but_a_port_answers_whoever_has_the_key_it_told(alone: tuple[str, str]) -> None:
    url, key = alone
    assert httpx.get(f"{url}/ready").status_code == 200
    assert _ask(url).status_code == 401
    reply = _ask(url, authorization=f"Bearer {key}")
    assert reply.status_code == 200
    assert reply.json()["choices"][0]["message"]["reflection"]["witness"]["impact"]


def test_it_is_nobody_without_rights_and_without_a_compiler(docker: Docker, alone: tuple[str, str]) -> None:
    status = docker("docker", "exec", "alone", "cat", "/proc/1/status")
    assert re.search(r"^Uid:\s+10001\s", status, re.MULTILINE)
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    seen = docker(
        *("docker", "exec", "alone", "sh", "-c"),
        "touch /opt/tear/new 2>&1; for each in gcc cc make hatchling; do command -v $each || echo no $each; done",
    )
    assert "Read-only file system" in seen
    assert re.findall(r"^no (\w+)$", seen, re.MULTILINE) == ["gcc", "cc", "make", "hatchling"]


def test_it_stops_within_its_grace_and_well(docker: Docker, alone: tuple[str, str]) -> None:
    began = time.monotonic()
    docker("docker", "stop", "--time", "65", "alone")
    print(f"\nstopped in {time.monotonic() - began:.1f} s")
    assert docker.inspect("alone")["State"]["ExitCode"] == 0


def test_compose_brings_up_a_server_that_prometheus_scrapes(docker: Docker, image: str, prometheus: None) -> None:
    ports = {"PORT": str(free_port()), "PROMETHEUS_PORT": str(free_port())}
    compose = functools.partial(docker, "docker-compose", "--project-name", "check", "--file", COMPOSE, **ports)
    watched = (DEPLOY / "prometheus" / "prometheus.yml").exists()
    compose("up", "--detach", "--no-build", "tear", *(["prometheus"] if watched else []))
    try:
        [container] = compose("ps", "--quiet", "tear").split()
        print(f"\nhealthy after {docker.healthy(container):.0f} s, {_memory(docker, container)} of memory")
        assert "this key was made" not in docker("docker", "logs", container)
        reply = _ask(f"http://127.0.0.1:{ports['PORT']}")
        assert reply.status_code == 200
        assert reply.json()["choices"][0]["message"]["content"]
        if watched:
            url = f"http://127.0.0.1:{ports['PROMETHEUS_PORT']}/api/v1/query"
            query = {"query": "sum(tear_reflections_total) > 0"}
            _until(lambda: httpx.get(url, params=query).json()["data"]["result"][0], limit_s=60)
    finally:
        print(compose("logs", "--no-color", "--tail", "5"))
        compose("down", "--volumes", "--timeout", "65")


def _ask(url: str, **headers: str) -> httpx.Response:
    body = {"model": "tear-nano", "messages": [{"role": "user", "content": WORRY}], "temperature": 0}
    return httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=120)


def _memory(docker: Docker, container: str) -> str:
    return docker("docker", "stats", "--no-stream", "--format", "{{.MemUsage}}", container).split(" / ")[0]


def _until(work: Callable[[], object], *, limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while True:
        try:
            work()
        except (AssertionError, LookupError, httpx.HTTPError, ValueError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


@contextmanager
def _wheels() -> Iterator[list[str]]:
    """The arguments that tell a build of this machine's own wheels, which are served to it while it runs."""
    folder = os.environ.get("PIP_FIND_LINKS", "")
    if not Path(folder).is_dir() or not folder:
        yield [f"--build-arg=PIP_FIND_LINKS={folder}"] if folder else []
        return
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield [f"--build-arg=PIP_FIND_LINKS=http://127.0.0.1:{server.server_port}/"]
        server.shutdown()
