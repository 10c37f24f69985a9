"""`make observe`: nano with a gentle load, a Prometheus that watches it, and Grafana where it is installed."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from load import load
from scraping import start_prometheus

DEPLOY = Path(__file__).parent.parent
NANO = DEPLOY.parent / "training" / "nano"
GRAFANA_HOME = "/usr/share/grafana"
EVERY_S = 2
START_LIMIT_S = 300
STOP_LIMIT_S = 60
NO_GRAFANA = """\
Grafana is not installed here, so nothing draws the dashboards. They are deploy/grafana/dashboards/*.json: import them
into a Grafana whose data source is the Prometheus above. docs/dashboards.md shows what they look like."""


def main() -> int:
    """Run until Ctrl-C; then all of it ends."""
    options = argparse.ArgumentParser(description="Serve nano under a gentle load, and watch it.")
    options.add_argument("--port", type=int, default=8000, help="of the server")
    options.add_argument("--prometheus-port", type=int, default=9090)
    options.add_argument("--grafana-port", type=int, default=3000)
    options.add_argument("--pause", type=float, default=1.0, help="seconds between requests, on average")
    options.add_argument("--seconds", type=float, help="end by itself after so long")
    chosen = options.parse_args()
    signal.signal(signal.SIGTERM, _end)
    with tempfile.TemporaryDirectory(prefix="tear-observe-") as made, ExitStack() as running:
        folder = Path(made)
        try:
            url = running.enter_context(_server(folder, chosen.port))
            prometheus = running.enter_context(
                start_prometheus(
                    folder, target=f"127.0.0.1:{chosen.port}", port=chosen.prometheus_port, every_s=EVERY_S
                )
            )
            _say(f"The Tear    {url}  (metrics: {url}/metrics)")
            _say(f"Prometheus  {prometheus.url}  (rules and alerts: {prometheus.url}/alerts)")
            if (binary := shutil.which("grafana")) is not None:
                grafana = running.enter_context(_grafana(binary, folder, chosen.grafana_port, prometheus.url))
                _say(f"Grafana     {grafana}")
            else:
                _say(NO_GRAFANA)
            _say("Asking gently. Ctrl-C ends all of it.")
            asyncio.run(_load(url, pause_s=chosen.pause, seconds=chosen.seconds))
        except KeyboardInterrupt:
            pass
        except (LookupError, RuntimeError) as error:
            _say(str(error))
            return 1
    return 0


async def _load(url: str, *, pause_s: float, seconds: float | None) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await load(url, pause_s=pause_s)


@contextmanager
def _server(folder: Path, port: int) -> Iterator[str]:
    """Nano with its adapter and a journal that goes with the folder."""
    command = [str(Path(sys.executable).with_name("tear")), "serve", "--port", str(port)]
    command += ["--base", str(NANO / "base"), "--adapter", str(NANO / "adapter")]
    command += ["--journal", f"sqlite:///{folder}/journal.db", "--second-look", "0.5"]
    url = f"http://127.0.0.1:{port}"
    with _process(command, log=folder / "server.log", ready=f"{url}/ready"):
        yield url


@contextmanager
def _grafana(binary: str, folder: Path, port: int, prometheus: str) -> Iterator[str]:
    """Grafana with our dashboards and this Prometheus; anybody on this machine may look."""
    told = {
        "PROMETHEUS_URL": prometheus,
        "SCRAPE_INTERVAL": f"{EVERY_S}s",
        "DASHBOARDS": str(DEPLOY / "grafana" / "dashboards"),
        "GF_PATHS_PROVISIONING": str(DEPLOY / "grafana" / "provisioning"),
        "GF_PATHS_DATA": str(folder / "grafana"),
        "GF_PATHS_LOGS": str(folder / "grafana"),
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    }
    url = f"http://127.0.0.1:{port}"
    command = [binary, "server", "--homepath", os.environ.get("GF_PATHS_HOME", GRAFANA_HOME)]
    with _process(command, log=folder / "grafana.log", ready=f"{url}/api/health", told=told):
        yield f"{url}/d/tear-witness"


@contextmanager
def _process(command: Sequence[str], *, log: Path, ready: str, told: Mapping[str, str] | None = None) -> Iterator[None]:
    """A process that answers at `ready`; `RuntimeError` with its log if it does not get there."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the arguments are ours
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **(told or {})}, start_new_session=True
        )
    try:
        deadline = time.monotonic() + START_LIMIT_S
        while not _answers(ready):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not get ready:\n{log.read_text()[-2000:]}")
            time.sleep(0.25)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _end(*_: object) -> None:
    raise KeyboardInterrupt


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
