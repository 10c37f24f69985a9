"""Rules and alerts, judged by Prometheus's own tool; each alert has tests and a paragraph in the docs."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest
import yaml
from docs.pages import read
from observe.panels_of import DEPLOY, metrics_in
from observe.test_dashboards import series
from scraping import MISSING

FOLDER = DEPLOY / "prometheus"
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "rules" / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
RECORDS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "rules" / "records.yml").read_text())["groups"]
    for rule in group["rules"]
]
EACH = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])


def promtool(*arguments: str) -> None:
    """Run the tool beside the rules; it must be content."""
    binary = shutil.which("promtool")
    assert binary is not None, MISSING
    done = subprocess.run([binary, *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_are_whole() -> None:
    promtool("check", "rules", "rules/records.yml", "rules/alerts.yml")


def test_the_configuration_is_whole() -> None:
    promtool("check", "config", "prometheus.yml")


def test_alerts_fire_when_they_should_and_only_then() -> None:
    promtool("test", "rules", "tests/alerts.yml")


@EACH
def test_an_alert_is_tested_for_firing_and_for_not_firing(alert: dict[str, Any]) -> None:
    cases = yaml.safe_load((FOLDER / "tests" / "alerts.yml").read_text())["tests"]
    fires = {
        bool(test["exp_alerts"])
        for case in cases
        for test in case["alert_rule_test"]
        if test["alertname"] == alert["alert"]
    }
    assert fires == {True, False}


@EACH
def test_an_alert_says_what_happened_and_where_to_read_on(alert: dict[str, Any]) -> None:
    told = alert["annotations"]
    assert set(told) == {"summary", "description", "runbook"}
    assert alert["labels"]["severity"] in ("info", "warning", "critical")
    assert told["runbook"] == f"docs/operations.md#{alert['alert'].lower()}"
    assert f"\n### {alert['alert']}\n" in read("operations.md").section("Alerts").text


def test_the_page_tells_of_no_alert_that_is_not_there() -> None:
    headings = [line.removeprefix("### ") for line in read("operations.md").section("Alerts").text.splitlines()]
    assert [each for each in headings if each.startswith("Tear")] == [alert["alert"] for alert in ALERTS]


@pytest.mark.parametrize("rule", [*RECORDS, *ALERTS], ids=lambda rule: rule.get("record") or rule["alert"])
def test_a_rule_asks_for_series_that_there_are(rule: dict[str, Any]) -> None:
    assert {name for name in metrics_in(rule["expr"]) if name.startswith("tear_")} <= series()
