"""Contestants as processes of their own: started together, waited for, and ended whole."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from rich.console import Console

START_LIMIT_S = 300
STOP_LIMIT_S = 40


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a contestant is started."""

    name: str
    command: Sequence[str | Path]
    port: int
    ready: str
    """Path that answers 200 once it can be asked."""
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """A contestant that runs."""

    name: str
    url: str
    front: psutil.Process
    """The process that speaks HTTP; an engine's core is a child of it."""

    @property
    def cpu_s(self) -> float:
        """Processor seconds of the front so far, its children's left out."""
        times = self.front.cpu_times()
        return float(times.user + times.system)

    @property
    def rss_bytes(self) -> int:
        """Resident memory of the front now."""
        return int(self.front.memory_info().rss)


@contextmanager
def running(recipes: Sequence[Recipe], *, logs: Path) -> Iterator[list[Server]]:
    """Start all at once and wait until each answers; raises `RuntimeError` with the log of one that does not."""
    console = Console()
    with ExitStack() as stack:
        started = [(recipe, stack.enter_context(_process(recipe, logs))) for recipe in recipes]
        began = time.monotonic()
        for recipe, process in started:
            _wait(recipe, process, logs)
            console.print(f"{recipe.name} is ready after {time.monotonic() - began:.0f} s")
        yield [Server(recipe.name, _url(recipe), psutil.Process(process.pid)) for recipe, process in started]


def free_port() -> int:
    """One that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _url(recipe: Recipe) -> str:
    return f"http://127.0.0.1:{recipe.port}"


@contextmanager
def _process(recipe: Recipe, logs: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (logs / f"{recipe.name}.log").open("wb") as log:
        process = subprocess.Popen(
            [str(part) for part in recipe.command],
            cwd=recipe.folder,
            env={**os.environ, **recipe.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            _end(process)


def _wait(recipe: Recipe, process: subprocess.Popen[bytes], logs: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(_url(recipe) + recipe.ready, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.25)
    raise RuntimeError(f"{recipe.name} did not get ready:\n{(logs / f'{recipe.name}.log').read_text()[-3000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ctrl-C for the process; who of its family is left after a while is killed."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for orphan in psutil.wait_procs(family, timeout=5)[1]:
        orphan.kill()
