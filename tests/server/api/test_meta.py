from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families
from scripted import ScriptedEngine
from stories import ADAPTER, BASE, KEPT, LIMITS, MANIFEST, MODEL, asking, get, play, post, service_over

from tear_chain.errors import EngineAway, EngineUnreachable
from tear_chain.tokenizer import ChainTokenizer
from tear_server.service import Service


@pytest.fixture
def engine(tokenizer: ChainTokenizer) -> ScriptedEngine:
    return play(tokenizer, KEPT)


@pytest.fixture
def service(tokenizer: ChainTokenizer, engine: ScriptedEngine) -> Service:
    return service_over(engine, tokenizer)


async def test_the_reflective_model_and_its_direct_twin_are_listed(service: Service) -> None:
    listed = (await get(service, "/v1/models")).json()
    assert listed["object"] == "list"
    assert [(each["id"], each["reflects"]) for each in listed["data"]] == [(MODEL, True), (f"{MODEL}-direct", False)]
    for each in listed["data"]:
        assert (each["object"], each["adapter"], each["max_model_len"]) == ("model", ADAPTER, LIMITS.context)
        assert isinstance(each["created"], int)
        assert each["cas"] == MANIFEST.metrics["cas"]


async def test_a_listed_model_can_be_asked_for(service: Service) -> None:
    for each in (await get(service, "/v1/models")).json()["data"]:
        assert (await get(service, f"/v1/models/{each['id']}")).json() == each


@pytest.mark.parametrize("name", ["gpt", "org/gpt", "tear-nano-direct-direct"])
async def test_an_unknown_model_is_404_naming_it(service: Service, name: str) -> None:
    response = await get(service, f"/v1/models/{name}")
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert f"`{name}`" in error["message"]


@pytest.mark.parametrize("path", ["/health", "/ready"])
async def test_a_living_engine_is_healthy_and_ready_and_one_that_is_gone_is_neither(
    service: Service, engine: ScriptedEngine, path: str
) -> None:
    alive = await get(service, path)
    engine.dead = True
    dead = await get(service, path)
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert (dead.status_code, dead.json()["status"]) == (503, "engine_dead")
    assert dead.json()["message"]


async def test_an_engine_that_will_be_back_is_no_reason_to_restart_the_process(tokenizer: ChainTokenizer) -> None:
    class Restarting(ScriptedEngine):
        async def health(self) -> None:
            raise EngineAway("It will be back.", retry_after_s=3)

    service = service_over(Restarting({}), tokenizer)
    health, ready = await get(service, "/health"), await get(service, "/ready")
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()["status"]) == (503, "engine_away")


async def test_a_server_that_stops_is_not_ready_and_still_alive(service: Service) -> None:
    service.door.shut()
    health, ready = await get(service, "/health"), await get(service, "/ready")
    assert (health.status_code, ready.status_code, ready.json()["status"]) == (200, 503, "stopping")


async def test_engines_elsewhere_that_are_gone_call_for_no_restart_here(tokenizer: ChainTokenizer) -> None:
    class Gone(ScriptedEngine):
        async def health(self) -> None:
            raise EngineUnreachable("http://engines does not answer.")

    service = service_over(Gone({}), tokenizer)
    assert (await get(service, "/health")).status_code == 200
    ready = await get(service, "/ready")
    assert (ready.status_code, ready.json()["status"]) == (503, "engine_unreachable")


async def test_version_says_what_is_served(service: Service) -> None:
    version = (await get(service, "/version")).json()
    assert set(version) == {"version", "format_version", "base", "adapter", "journal"}
    assert version["base"] == {"name": BASE.name, "fingerprint": BASE.fingerprint}
    assert version["adapter"] == {"name": ADAPTER, "metrics": {"accuracy": 0.75, "cas": 0.25}}
    assert version["journal"] is False


async def test_metrics_are_a_page_that_prometheus_reads(service: Service) -> None:
    await post(service, "/v1/chat/completions", asking())
    page = await get(service, "/metrics")
    families = {each.name: each for each in text_string_to_metric_families(page.text)}
    assert page.headers["content-type"].startswith("text/plain; version=")
    kept = [each.value for each in families["tear_reflections"].samples if each.labels["outcome"] == "kept"]
    assert kept == [1, 0]
    # vLLM and Python themselves are in prometheus-client's own registry.
    assert "python_info" in families
