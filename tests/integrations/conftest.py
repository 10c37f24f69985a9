"""Programs with environments of their own, which `make integrations` makes in .integrations."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from integrations.recipes import ROOT, surroundings

HOME = ROOT / ".integrations"
START_LIMIT_S = 240


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder of the light programs' environment; Open WebUI's is beside it."""
    if not (HOME / ".ready").is_file():
        pytest.fail(f"{HOME} is missing: `make integrations` installs what these tests run.")
    return HOME / "tools"


@contextmanager
def running(command: Sequence[str | Path], folder: Path, *, ready: str, **variables: str) -> Iterator[Path]:
    """A server in `folder`, from the time that GET `ready` is answered with 200; gives its log."""
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, env=surroundings(**variables)
        )
    try:
        _wait(process, ready, log)
        yield log
    finally:
        family = [process, *psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
        for each in family:
            each.terminate()
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.25)
    raise AssertionError(f"{url} did not get ready:\n{log.read_text()[-4000:]}")
