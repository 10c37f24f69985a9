"""A real server: `tear serve` on nano and its adapter, real vLLM on the CPU. The session has one of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

TEAR = Path(sys.executable).with_name("tear")
START_LIMIT_S = 240
STOP_LIMIT_S = 60


@dataclass(frozen=True)
class LiveServer:
    """A server in processes of its own."""

    url: str
    process: psutil.Process
    log: Path
    journal: Path

    @property
    def adapters(self) -> Path:
        """Where the session's server takes adapters from while it runs."""
        return self.log.parent / "adapters"

    def family(self) -> list[psutil.Process]:
        """The server and every process it started."""
        return [self.process, *self.process.children(recursive=True)]


class start_server:  # noqa: N801 - used as a function
    """Start `tear serve` and wait until it is ready; end it with Ctrl-C and see that nothing is left."""

    def __init__(self, folder: Path, base: Path, adapter: Path, *flags: str) -> None:
        self._folder, self._journal = folder, folder / "journal.db"
        journal = f"sqlite:///{self._journal}"
        self._flags = ["--base", str(base), "--adapter", str(adapter), "--journal", journal, *flags]

    def __enter__(self) -> LiveServer:
        log = self._folder / "server.log"
        port = free_port()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [TEAR, "serve", "--port", str(port), *self._flags],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._server = LiveServer(f"http://127.0.0.1:{port}", psutil.Process(process.pid), log, self._journal)
        self._popen = process
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if httpx.get(f"{self._server.url}/ready", timeout=5).status_code == 200:
                    return self._server
            except httpx.TransportError:
                time.sleep(0.25)
        process.kill()
        raise AssertionError(f"the server did not get ready:\n{log.read_text()[-4000:]}")

    def __exit__(self, *_: object) -> None:
        family = self._server.family()
        self._popen.send_signal(signal.SIGINT)
        code = self._popen.wait(STOP_LIMIT_S)
        _, alive = psutil.wait_procs(family, timeout=10)
        for orphan in alive:
            orphan.kill()
        assert not alive, f"left behind after Ctrl-C: {alive}"
        assert code == 0, f"the server ended with {code}:\n{self._server.log.read_text()[-4000:]}"
        assert "Traceback" not in self._server.log.read_text(), self._server.log.read_text()[-4000:]


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
