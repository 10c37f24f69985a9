"""What is deployed, as the tools of its readers see it; and those tools, which `make deploy-tools` installs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT

from tear_server.settings import ServerSettings, read_settings

DEPLOY = ROOT / "deploy"
DOCKERFILE = ROOT / "Dockerfile"
COMPOSE = DEPLOY / "compose.yaml"
KUBERNETES = DEPLOY / "kubernetes"
OVERLAYS = ("overlays/cpu", "overlays/4090", "ray")
TOOLS = Path(os.environ.get("DEPLOY_TOOLS", ROOT / ".deploy-tools")) / "bin"
VARIABLE = re.compile(r"\bTEAR_[A-Z_]*[A-Z]\b")


def tool(name: str) -> str:
    """Path of a tool of requirements/deploy-tools.lock."""
    assert (TOOLS / name).exists(), f"{name} is not installed. Run `make deploy-tools`."
    return str(TOOLS / name)


def command(name: str, *, hint: str) -> str:
    """Path of a program of the machine."""
    found = shutil.which(name)
    assert found is not None, f"{name} is not installed: {hint}"
    return found


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """A program's end, its output, both streams in one."""
    return subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)


def settle(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> ServerSettings:
    """The settings that a container with these variables would have."""
    for name in [name for name in os.environ if name.startswith("TEAR_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return read_settings([])


def image_variables() -> dict[str, str]:
    """What the image for CPUs sets: the `ENV` lines of its stages."""
    text = DOCKERFILE.read_text()
    stages = text.split("\nFROM ")
    mine = [stage for stage in stages if re.match(r"\S+ AS (service|cpu)\n", stage)]
    lines = [line for stage in mine for line in re.findall(r"^ENV ((?:.*\\\n)*.*)", stage, re.MULTILINE)]
    return dict(re.findall(r"(\w+)=(\S+)", " ".join(lines)))


@cache
def services() -> Mapping[str, Any]:
    """The services of the compose file."""
    return dict(yaml.safe_load(COMPOSE.read_text())["services"])


@cache
def rendered(overlay: str) -> str:
    """What `kubectl apply -k` would send."""
    made = subprocess.run(
        [
            command("kubectl", hint="1.27 or newer, from Kubernetes' own packages; Debian 12 has an older one"),
            "kustomize",
            KUBERNETES / overlay,
        ],
        text=True,
        capture_output=True,
    )
    assert made.returncode == 0, made.stderr
    return made.stdout


def objects(overlay: str) -> dict[tuple[str, str], Any]:
    """Those objects by kind and name."""
    return {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(rendered(overlay))}


def pods(overlay: str) -> Iterator[tuple[str, Any]]:
    """The specifications of pods among them, by the name of what makes them."""
    for (kind, name), each in objects(overlay).items():
        if kind in ("Deployment", "StatefulSet"):
            yield name, each["spec"]["template"]["spec"]
        if kind == "RayService":
            cluster = each["spec"]["rayClusterConfig"]
            for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
                yield group.get("groupName", "head"), group["template"]["spec"]


def container(overlay: str, name: str) -> Any:
    """The one container of the pods of that name."""
    [found] = dict(pods(overlay))[name]["containers"]
    return found


def variables(entries: Any) -> dict[str, str]:
    """What a container's `env` says in so many words; secrets are left out."""
    return {entry["name"]: entry["value"] for entry in entries if "value" in entry}
