"""A Prometheus of one's own, with the rules of deploy/prometheus and one server to scrape."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

RULES = Path(__file__).parent.parent / "prometheus"
START_LIMIT_S = 60
STOP_LIMIT_S = 30
MISSING = "Prometheus is not installed. On Debian: apt-get install --no-install-recommends prometheus"


@dataclass(frozen=True, slots=True)
class Sample:
    """One series at one moment."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def ask(self, expr: str) -> list[Sample]:
        """What an expression gives now; raise `ValueError`, with Prometheus's own words, if it cannot be evaluated."""
        reply = httpx.post(f"{self.url}/api/v1/query", data={"query": expr}, timeout=30).json()
        if reply["status"] != "success":
            raise ValueError(f"{reply['error']}: {expr}")
        found = reply["data"]["result"]
        if reply["data"]["resultType"] == "scalar":
            return [Sample({}, float(found[1]))]
        return [Sample(each["metric"], float(each["value"][1])) for each in found]


@contextmanager
def start_prometheus(folder: Path, *, target: str, port: int, every_s: int) -> Iterator[Prometheus]:
    """Scrape `target` (host:port) every `every_s` seconds, until the context is left; `LookupError` without a binary.

    `folder` takes configuration, data and log.
    """
    binary = shutil.which("prometheus")
    if binary is None:
        raise LookupError(MISSING)
    shutil.copytree(RULES, folder, dirs_exist_ok=True)
    configured = folder / "prometheus.yml"
    configured.write_text(configured.read_text().replace("interval: 15s", f"interval: {every_s}s"))
    (folder / "targets" / "tear.yml").write_text(f'- targets: ["{target}"]\n')
    log = folder / "prometheus.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the arguments are ours
            [
                binary,
                f"--config.file={configured}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for whoever started this, who then ends it
        )
    try:
        running = Prometheus(f"http://127.0.0.1:{port}")
        _wait_until_ready(running, process, log)
        yield running
    finally:
        process.terminate()
        process.wait(STOP_LIMIT_S)


def _wait_until_ready(running: Prometheus, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{running.url}/-/ready", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"Prometheus did not get ready:\n{log.read_text()[-4000:]}")
