"""A real Ray cluster of one machine, and on it what deploy/ray/serve.yaml says, with nano and without GPUs.

Everything here is asked for the way an operator would: `ray start`, and the REST API that `serve deploy` speaks.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import openai
import psutil
import pytest
import yaml
from live.conftest import free_port

from tear_server.keys import add_key

ROOT = Path(__file__).parent.parent.parent
HEAD_LIMIT_S = 120
DEPLOY_LIMIT_S = 400
STOP_LIMIT_S = 60
T = TypeVar("T")


@dataclass(frozen=True)
class Running:
    """One replica, as Ray shows it."""

    id: str
    state: str
    pid: int | None


@dataclass
class Cluster:
    """A head node, and the application on it."""

    url: str
    api: str
    key: str
    admin_key: str
    adapters: Path
    """The folder that replicas take adapters from while they run."""
    logs: Path
    config: dict[str, Any] = field(repr=False)
    """What was deployed last."""

    def deploy(self, *, variables: dict[str, str] | None = None, **options: Any) -> None:
        """Change variables or options of the deployment, as by `serve deploy`; returns once Ray has taken it."""
        self.variables.update(variables or {})
        self.config["applications"][0]["deployments"][0] |= options
        httpx.put(self.api, json=self.config, timeout=60).raise_for_status()

    @property
    def variables(self) -> dict[str, str]:
        """What the application is told."""
        told: dict[str, str] = self.config["applications"][0]["runtime_env"]["env_vars"]
        return told

    def scale(self, least: int, most: int) -> None:
        """Have so many replicas, and wait until they are there."""
        scaling = self.config["applications"][0]["deployments"][0]["autoscaling_config"]
        self.deploy(autoscaling_config=scaling | {"min_replicas": least, "max_replicas": most})
        self.settled(least)

    def settled(self, least: int, *, limit_s: float = DEPLOY_LIMIT_S) -> None:
        """Wait until the deployment is healthy with `least` replicas or more, and nothing is on its way."""
        until(lambda: self.status == "HEALTHY" and len(self.running) >= least == len(self.replicas), limit_s=limit_s)

    @property
    def application(self) -> dict[str, Any]:
        """Ray's whole account of it."""
        found = httpx.get(self.api, timeout=30).raise_for_status().json()["applications"]
        return dict(found.get("tear", {"status": "NOT_STARTED", "message": "", "deployments": {}}))

    @property
    def options(self) -> dict[str, Any]:
        """What Ray goes by, once it has taken in a change."""
        return dict(self.application["deployments"]["Tear"]["deployment_config"])

    @property
    def status(self) -> str:
        """Of the deployment."""
        return str(self.application["deployments"].get("Tear", {}).get("status"))

    @property
    def replicas(self) -> list[Running]:
        """All of them, those that start or stop, too."""
        told = self.application["deployments"].get("Tear", {}).get("replicas", [])
        return [Running(each["replica_id"], each["state"], each.get("pid")) for each in told]

    @property
    def running(self) -> list[Running]:
        """Those that answer."""
        return [replica for replica in self.replicas if replica.state == "RUNNING"]

    def metrics(self) -> str:
        """The page that Prometheus reads."""
        return httpx.get(f"{self.url}/metrics", timeout=30).raise_for_status().text


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, nano_base: Path, nano_adapter: Path) -> Iterator[Cluster]:
    keys, inbox = tmp_path_factory.mktemp("keys") / "keys.yaml", tmp_path_factory.mktemp("adapters")
    key = add_key(keys, "reader", requests_per_minute=None, admin=False)
    admin_key = add_key(keys, "operator", requests_per_minute=None, admin=True)
    config = yaml.safe_load((ROOT / "deploy" / "ray" / "serve.yaml").read_text(encoding="utf-8"))
    config["http_options"]["port"] = free_port()
    [application] = config["applications"]
    variables = application["runtime_env"]["env_vars"]
    del variables["TEAR_ANYONE"]
    variables |= {"TEAR_BASE": str(nano_base), "TEAR_ADAPTER": str(nano_adapter), "TEAR_KEYS": str(keys)}
    variables["TEAR_ADAPTERS_DIR"] = str(inbox)
    # Each replica would bind its threads to the same first cores.
    variables["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"
    [deployment] = application["deployments"]
    deployment["ray_actor_options"] = {"num_cpus": 1}
    deployment["autoscaling_config"] |= {"max_replicas": 2, "target_ongoing_requests": 2, "upscale_delay_s": 1}
    with head_node() as (api, logs):
        made = Cluster(f"http://127.0.0.1:{config['http_options']['port']}", api, key, admin_key, inbox, logs, config)
        made.deploy()
        try:
            until(lambda: made.application["status"] == "RUNNING", limit_s=DEPLOY_LIMIT_S)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{made.application}\n{_last_words(logs)}") from late
        yield made
        httpx.delete(made.api, timeout=STOP_LIMIT_S).raise_for_status()


@pytest.fixture
def two(cluster: Cluster) -> Cluster:
    """The cluster with two replicas at work."""
    cluster.scale(2, 2)
    return cluster


@pytest.fixture
def http(cluster: Cluster) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {cluster.key}"}
    with httpx.Client(base_url=cluster.url, headers=headers, timeout=120) as client:
        yield client


@pytest.fixture
def sdk(cluster: Cluster) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{cluster.url}/v1", api_key=cluster.key, max_retries=0) as client:
        yield client


@contextmanager
def head_node() -> Iterator[tuple[str, Path]]:
    """`ray start --head`: the address of its REST API, and the folder of its logs. No process of it is left behind."""
    # Ray makes sockets below it, whose paths may not be longer than 107 bytes: pytest's own folders are too deep.
    folder = Path(tempfile.mkdtemp(prefix="tear-ray-"))
    port = free_port()
    options = {
        "node-ip-address": "127.0.0.1",
        "port": free_port(),
        "dashboard-host": "127.0.0.1",
        "dashboard-port": port,
        "dashboard-agent-listen-port": free_port(),
        "ray-client-server-port": free_port(),
        "num-cpus": 4,  # of Ray's counting; as many as the tests place
        "num-gpus": 0,
        "object-store-memory": 100_000_000,
        "temp-dir": folder,
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--disable-usage-stats"]
    with (folder / "head.log").open("wb") as output:
        head = subprocess.Popen([*command, *flags], stdout=output, stderr=subprocess.STDOUT, env=_environment())
    api = f"http://127.0.0.1:{port}/api/serve/applications/"
    try:
        until(lambda: head.poll() is not None or _answers(api), limit_s=HEAD_LIMIT_S)
        assert head.poll() is None, (folder / "head.log").read_text()[-4000:]
        yield api, folder / "session_latest" / "logs"
    finally:
        family = [psutil.Process(head.pid), *psutil.Process(head.pid).children(recursive=True)]
        head.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(family, timeout=STOP_LIMIT_S)
        for orphan in alive:
            orphan.kill()
        head.wait()
        assert not [each for each in alive if "VLLM" in each.name()], f"left behind: {alive}"
        shutil.rmtree(folder, ignore_errors=True)


def until(condition: Callable[[], T], *, limit_s: float) -> T:
    """Wait for what other processes bring about; fail when it takes longer than `limit_s`."""
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {limit_s} s"
        time.sleep(0.25)
    return found


def engine_processes(pids: Sequence[int | None]) -> list[psutil.Process]:
    """vLLM's processes below those of replicas."""
    below = [child for pid in pids if pid for child in psutil.Process(pid).children(recursive=True)]
    return [process for process in below if process.name().startswith("VLLM")]


def _environment() -> dict[str, str]:
    """This one, without a setting of the server: workers inherit it."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("TEAR_", "RAY_"))}


def _answers(api: str) -> bool:
    try:
        return httpx.get(api, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _last_words(logs: Path) -> str:
    files = [*logs.glob("serve/*.log"), *logs.glob("worker-*.err")]
    return "\n".join(f"== {file.name}\n{file.read_text(errors='replace')[-1500:]}" for file in files)
