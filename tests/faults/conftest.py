"""Servers that something happens to: `tear serve` on nano, real vLLM on the CPU, one for each way to end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from live.conftest import STOP_LIMIT_S, LiveServer, start_server

GONE_LIMIT_S = 20


class doomed_server(start_server):  # noqa: N801 - used as a function
    """A server that a test may end in its own way; none of its processes may outlive it."""

    def __exit__(self, *_: object) -> None:
        if self._popen.poll() is None:
            self._popen.terminate()
        self._popen.wait(STOP_LIMIT_S)
        assert left_of(self._server) == []


def left_of(server: LiveServer) -> list[str]:
    """What is left of the server's processes a while after it has ended; they are killed then."""
    _, alive = psutil.wait_procs(_session(server.process.pid), timeout=GONE_LIMIT_S)
    told = [" ".join(process.cmdline()) or str(process) for process in alive]
    for process in alive:
        process.kill()
    return told


def core_of(server: LiveServer) -> psutil.Process | None:
    """The process of the server's engine."""
    named = [each for each in server.process.children() if each.name().startswith("VLLM::EngineCore")]
    return named[0] if named else None


def _session(leader: int) -> list[psutil.Process]:
    """Every process of the session that a server was started in: also one whose parent is gone."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader:
                found.append(process)
        except ProcessLookupError:
            continue
    return found


@pytest.fixture(scope="session")
def busy(tmp_path_factory: pytest.TempPathFactory, nano_base: Path, nano_adapter: Path) -> Iterator[LiveServer]:
    """Takes on 32 requests at once and computes 8 of them; ended by a SIGTERM under load."""
    flags = ["--max-requests", "32", "--max-num-seqs", "8", "--drain-seconds", "120"]
    with doomed_server(tmp_path_factory.mktemp("busy"), nano_base, nano_adapter, *flags) as server:
        yield server


@pytest.fixture(scope="session")
def mortal(tmp_path_factory: pytest.TempPathFactory, nano_base: Path, nano_adapter: Path) -> Iterator[LiveServer]:
    """Starts its engine anew twice."""
    with doomed_server(tmp_path_factory.mktemp("mortal"), nano_base, nano_adapter, "--engine-restarts", "2") as server:
        yield server


@pytest.fixture
def killed(tmp_path: Path, nano_base: Path, nano_adapter: Path) -> Iterator[LiveServer]:
    """Will be killed outright."""
    with doomed_server(tmp_path, nano_base, nano_adapter) as server:
        yield server
