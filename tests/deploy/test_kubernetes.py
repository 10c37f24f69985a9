"""deploy/kubernetes, as kustomize makes it and Kubernetes' own schemas judge it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import NANO_ADAPTER, NANO_BASE
from deploy.files import DEPLOY, KUBERNETES, OVERLAYS, container, objects, pods, rendered, run, settle, tool, variables
from docs.pages import read
from fastapi.routing import APIRoute
from scripted import ScriptedEngine
from stories import service_over

from tear_chain.prepared import load_prepared
from tear_chain.tokenizer import ChainTokenizer
from tear_server.adapters import open_adapter
from tear_server.api.app import Access, build_app
from tear_server.settings import ServerSettings

VERSION = "1.31"
"""The oldest that is asked for: `ordinals` of a StatefulSet are beyond beta there."""
POOLS = OVERLAYS[:2]
PORT = ServerSettings.model_fields["port"].default
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_it_keeps_to_the_schemas_of_kubernetes(overlay: str, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(rendered(overlay))
    done = run(tool("kubernetes-validate"), "--strict", "-k", VERSION, tmp_path / "all.yaml")
    assert done.returncode == 0, done.stdout
    strangers = {line.split(" kind ")[1].split()[0] for line in done.stdout.splitlines() if line.startswith("WARN")}
    assert strangers <= {"RayService"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_container_is_nobody_and_writes_nowhere_but_where_it_has_to(overlay: str) -> None:
    for name, pod in pods(overlay):
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for each in pod["containers"]:
            assert each["securityContext"]["allowPrivilegeEscalation"] is False, name
            assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
            assert each["securityContext"].get("readOnlyRootFilesystem") is (True if overlay in POOLS else None), name
            assert each["resources"].keys() == {"requests", "limits"}, name
            mounted = {mount["name"] for mount in each["volumeMounts"]}
            assert mounted == {volume["name"] for volume in pod["volumes"]}, name


@pytest.mark.parametrize("overlay", POOLS)
def test_the_front_end_has_settings_that_the_server_takes(overlay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    each = container(overlay, "tear")
    given = variables(each["env"])
    settings = settle(monkeypatch, {"TEAR_BASE": "in the image"} | given)
    assert str(settings.engine) == "http://router:8000/"
    [mount] = [mount for mount in each["volumeMounts"] if mount["name"] == "keys"]
    assert settings.keys is not None
    assert settings.keys.parent == Path(mount["mountPath"])


def test_probes_ask_for_paths_and_ports_that_the_server_has(tokenizer: ChainTokenizer) -> None:
    app = build_app(service_over(ScriptedEngine([]), tokenizer), Access())
    paths = {route.path for route in app.routes if isinstance(route, APIRoute) and "GET" in route.methods}
    each = container("overlays/cpu", "tear")
    assert each["ports"] == [{"name": "http", "containerPort": PORT}]
    asked = {probe: each[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe: get["path"] for probe, get in asked.items()} == {
        "startupProbe": "/ready",
        "livenessProbe": "/health",
        "readinessProbe": "/ready",
    }
    assert all(get["port"] == "http" and get["path"] in paths for get in asked.values())


def test_probes_and_grace_are_those_of_the_operations_page() -> None:
    [shown] = read("operations.md").section("Kubernetes").code("yaml")
    spec = yaml.safe_load(shown)["spec"]
    pod = dict(pods("overlays/cpu"))["tear"]
    assert pod["terminationGracePeriodSeconds"] == spec["terminationGracePeriodSeconds"]
    [told], [made] = spec["containers"], pod["containers"]
    for name in ("startupProbe", "livenessProbe", "readinessProbe", "lifecycle"):
        assert _with_port(made[name]) == told[name]


@pytest.mark.parametrize("overlay", POOLS)
def test_every_service_leads_to_pods_and_a_port_of_theirs(overlay: str) -> None:
    labels = {
        name: each["spec"]["template"]["metadata"]["labels"]
        for (kind, name), each in objects(overlay).items()
        if kind in ("Deployment", "StatefulSet")
    }
    for (kind, name), each in objects(overlay).items():
        if kind == "Service":
            [(label, value)] = each["spec"]["selector"].items()
            owner = re.sub(r"-\d+$", "", value)
            assert label == "statefulset.kubernetes.io/pod-name" or labels[owner][label] == value, name
            [port] = each["spec"]["ports"]
            assert port["targetPort"] in {made["name"] for made in container(overlay, owner)["ports"]}
        if kind in ("NetworkPolicy", "PodDisruptionBudget") and name != "closed":
            chosen = each["spec"].get("podSelector") or each["spec"]["selector"]
            assert chosen["matchLabels"].items() <= labels[name].items()


def test_the_router_knows_every_engine_by_the_name_of_its_service() -> None:
    routed = re.findall(r"^    server (\S+):(\d+)", (DEPLOY / "nginx" / "engines.conf").read_text(), re.MULTILINE)
    spec = objects("overlays/cpu")["StatefulSet", "engine"]["spec"]
    first = spec["ordinals"]["start"]
    names = [f"engine-{number}" for number in range(first, first + spec["replicas"])]
    assert routed == [(name, str(PORT)) for name in names]
    for name in names:
        service = objects("overlays/cpu")["Service", name]["spec"]
        assert service["selector"] == {"statefulset.kubernetes.io/pod-name": name}
        assert service["ports"][0]["port"] == PORT


def test_only_the_router_and_prometheus_reach_an_engine() -> None:
    policies = {
        name: each["spec"] for (kind, name), each in objects("overlays/4090").items() if kind == "NetworkPolicy"
    }
    assert policies["closed"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    [rule] = policies["engine"]["ingress"]
    asking = [source["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for source in rule["from"]]
    assert asking == ["router", "prometheus"]
    assert "egress" not in policies["engine"]
    [rule] = policies["router"]["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "tear"}}}]


@pytest.mark.parametrize("overlay", POOLS)
def test_engines_are_started_as_the_operations_page_says(overlay: str) -> None:
    told = read("operations.md").section("Many engines").code("sh")[1]
    everywhere, cpu = told.rpartition("\\\n")[::2]
    wanted = set(FLAG.findall(everywhere)) | (set(FLAG.findall(cpu)) if overlay == "overlays/cpu" else set())
    each = container(overlay, "engine")
    given = {argument.split("=")[0] for argument in each["args"]}
    assert given - {"--gpu-memory-utilization"} == wanted
    assert " ".join(each["command"]) in told
    said = set(re.findall(r"\b([A-Z_]{5,})=", told)) - (
        set() if overlay == "overlays/cpu" else {"VLLM_CPU_KVCACHE_SPACE"}
    )
    assert said <= variables(each["env"]).keys()


def test_engines_on_cpus_serve_nano_under_its_names() -> None:
    base = load_prepared(NANO_BASE)
    given = dict(
        argument.removeprefix("--").partition("=")[::2] for argument in container("overlays/cpu", "engine")["args"]
    )
    assert given["served-model-name"] == base.name
    assert given["max-model-len"] == str(base.context)
    assert given["lora-modules"].split("=")[0] == open_adapter(NANO_ADAPTER, base).name


def test_kuberay_deploys_what_ray_does_elsewhere_with_keys() -> None:
    shipped = yaml.safe_load((DEPLOY / "ray" / "serve.yaml").read_text())
    made = yaml.safe_load(objects("ray")["RayService", "tear"]["spec"]["serveConfigV2"])
    shipped["http_options"]["host"] = "0.0.0.0"
    there = shipped["applications"][0]["runtime_env"]["env_vars"]
    del there["TEAR_ANYONE"]
    there["TEAR_KEYS"] = "/etc/tear/keys.yaml"
    assert made == shipped


def test_kuberay_is_told_the_ray_of_the_image() -> None:
    lock = (KUBERNETES.parent.parent / "requirements" / "serve-gpu.lock").read_text()
    version = objects("ray")["RayService", "tear"]["spec"]["rayClusterConfig"]["rayVersion"]
    assert f"\nray=={version} " in lock


def _with_port(value: Any) -> Any:
    """The same, the port's name replaced by its number."""
    if not isinstance(value, dict):
        return PORT if value == "http" else value
    return {name: _with_port(inner) for name, inner in value.items()}
