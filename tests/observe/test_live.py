"""A real Prometheus on the real server: every panel and every rule has something to say, and it makes sense."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx
import pytest
from live.conftest import LiveServer, free_port
from observe.panels_of import Drawn, board, panels, resolve
from observe.test_rules import ALERTS, RECORDS
from scraping import Prometheus, Sample, start_prometheus

from tear_server.budget import MIN_ANSWER, MIN_WITNESS

WORRY = "My brother has not called in a year. I am scared of what I might hear."
MODEL = "tear-nano"
WORK = "tear_reflections_total"
LIMIT_S = 60
YOUNG = 0.25
"""How far a mean may lie outside: rates of counters that began at zero a moment ago are extrapolated unequally."""
PANELS = list(panels())
SILENT = {"Shift": "the session's server takes no second looks"}
"""Panels that may have nothing to draw, and why."""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, live: LiveServer, http: httpx.Client) -> Iterator[Prometheus]:
    """It has scraped the server before, during and after some of everything."""
    folder = tmp_path_factory.mktemp("prometheus")
    target = live.url.removeprefix("http://")
    with start_prometheus(folder, target=target, port=free_port(), every_s=1) as running:
        wait_for(lambda: [each for each in running.ask("up") if each.value == 1])
        wait_for(lambda: running.ask(f"sum({WORK})"))
        ask_for_some_of_everything(http)
        ended = http.get("/metrics").text
        total = sum(float(line.rpartition(" ")[2]) for line in ended.splitlines() if line.startswith(f"{WORK}{{"))
        wait_for(lambda: running.ask(f"sum({WORK})")[0].value >= total)
        wait_for(lambda: running.ask(RECORDS[0]["record"]))
        yield running


def ask_for_some_of_everything(http: httpx.Client) -> None:
    asked = {"messages": [{"role": "user", "content": WORRY}]}
    for threshold in (0, 1):
        http.post("/v1/chat/completions", json={**asked, "reflection": {"revise_threshold": threshold}})
        kept = http.post("/v1/reflections", json={**asked, "revise_threshold": threshold}).json()["id"]
    http.post("/v1/chat/completions", json={**asked, "model": http.get("/v1/models").json()["data"][1]["id"]})
    for _ in range(2):
        http.post("/v1/reflections", json={**asked, "max_draft_tokens": MIN_ANSWER, "max_witness_tokens": MIN_WITNESS})
    http.post("/v1/witness", json={"items": [{**asked, "answer": "Pull yourself together."}]})
    assert http.post("/v1/chat/completions", json={}).status_code == 400
    with suppress(httpx.ReadTimeout):
        http.post("/v1/chat/completions", json={**asked, "n": 4}, timeout=0.3)
    told = {"text": "She called him the same evening.", "weight": 2}
    assert http.post(f"/v1/reflections/{kept}/outcome", json=told).status_code == 201


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: f"{panel.board}: {panel.title}")
def test_a_panel_has_figures_that_make_sense(prometheus: Prometheus, panel: Drawn) -> None:
    least, most = panel.bounds
    room = YOUNG if least < 0 else 0
    for expr in panel.exprs:
        found = prometheus.ask(expr)
        assert found or panel.title in SILENT, f"nothing to draw: {expr}"
        for each in found:
            assert math.isfinite(each.value), (each, expr)
            assert least - room <= each.value <= most + room, (each, expr)


def test_new_adapters_are_marked(prometheus: Prometheus) -> None:
    [marked] = board("witness")["annotations"]["list"]
    prometheus.ask(resolve(marked["target"]["expr"]))


@pytest.mark.parametrize("rule", RECORDS, ids=lambda rule: rule["record"])
def test_a_record_is_kept_and_makes_sense(prometheus: Prometheus, rule: dict[str, str]) -> None:
    def of_ours() -> list[Sample]:
        # Other tests may have served other models there, which nobody asked: their quantiles are of nothing.
        return [each for each in prometheus.ask(rule["record"]) if each.labels.get("model", MODEL) == MODEL]

    wait_for(of_ours)
    for each in of_ours():
        assert math.isfinite(each.value)
        if "share" in rule["record"]:
            assert 0 <= each.value <= 1


def test_every_rule_is_evaluated_without_an_error(prometheus: Prometheus) -> None:
    def rules() -> list[dict[str, str]]:
        groups = httpx.get(f"{prometheus.url}/api/v1/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    wait_for(lambda: all(rule["health"] != "unknown" for rule in rules()))
    assert len(rules()) == len(RECORDS) + len(ALERTS)
    assert [rule for rule in rules() if rule["health"] != "ok"] == []


def test_a_healthy_server_raises_no_critical_alert(prometheus: Prometheus) -> None:
    assert prometheus.ask('ALERTS{alertstate="firing",severity="critical"}') == []


def wait_for(condition: Callable[[], object]) -> None:
    """Until Prometheus has seen it; how long a scrape takes is the machine's affair."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "Prometheus did not see it in time"
        time.sleep(0.1)
