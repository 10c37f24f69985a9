"""deploy/compose.yaml, as compose and the server read it."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT
from deploy.files import COMPOSE, DEPLOY, image_variables, run, services, settle, tool

from tear_server.metrics import Metrics
from tear_server.serve import read_access
from tear_server.settings import ServerSettings

SERVERS = ("tear", "tear-4090")
PORT = ServerSettings.model_fields["port"].default


def test_it_keeps_to_the_schema_of_compose() -> None:
    done = run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", COMPOSE)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_starts_with_its_settings_and_answers_this_machine(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = {each: value for each, value in image_variables().items() if each.startswith("TEAR_")}
    told = {each: value for each, value in services()[name]["environment"].items() if value is not None}
    settings = settle(monkeypatch, inside | {each: value for each, value in told.items() if each.startswith("TEAR_")})
    read_access(settings)
    assert services()[name]["ports"] == [f"127.0.0.1:${{PORT:-8000}}:{settings.port}"]
    grace_s = int(services()[name]["stop_grace_period"].removesuffix("s"))
    assert grace_s >= settings.drain_seconds + 30


def test_every_port_is_for_this_machine_alone() -> None:
    ports = [port for each in services().values() for port in each.get("ports", ())]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("name", services())
def test_every_container_is_read_only_and_without_privileges(name: str) -> None:
    each = services()[name]
    assert each["read_only"]
    assert each["cap_drop"] == ["ALL"]
    assert each["security_opt"] == ["no-new-privileges:true"]
    assert ("cap_add" in each) == (name == "postgres")


def test_mounts_are_folders_of_this_project_or_volumes_that_are_named() -> None:
    mounts = [mount.split(":")[0] for each in services().values() for mount in each.get("volumes", ())]
    named = set(re.findall(r"^  (\w+):$", COMPOSE.read_text().partition("\nvolumes:\n")[2], re.MULTILINE))
    assert {mount for mount in mounts if "/" not in mount and "$" not in mount} == named
    assert {mount for mount in mounts if mount.startswith("./")} == {
        "./prometheus",
        "./container/targets.yml",
        "./grafana/provisioning",
        "./grafana/dashboards",
    }


def test_prometheus_scrapes_the_server_under_its_name() -> None:
    assert f'["tear:{PORT}"]' in (DEPLOY / "container" / "targets.yml").read_text()
    assert all(services()[name]["networks"]["default"]["aliases"] == ["tear"] for name in SERVERS)


def test_the_autoscaler_asks_for_a_metric_that_is_there() -> None:
    scaler = (ROOT / "deploy" / "kubernetes" / "autoscaling" / "front.yaml").read_text()
    there = {family.name for family in Metrics().registry.collect()}
    assert set(re.findall(r"\btear_[a-z_]+", scaler)) <= there
