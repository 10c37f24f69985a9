"""The committed dashboards: made by their program, whole, and about metrics that there are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from observe.panels_of import DEPLOY, FOLDER, NAMES, Drawn, board, metrics_in, panels

from tear_server.metrics import Metrics

PANELS = list(panels())
EACH = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: f"{panel.board}: {panel.title}")
BOARD = pytest.mark.parametrize("name", NAMES)


def test_what_is_committed_is_what_the_program_makes(tmp_path: Path) -> None:
    # A process of its own: the library warns that there is a newer schema, which not every Grafana reads from files.
    subprocess.run([sys.executable, DEPLOY / "grafana" / "dashboards.py", tmp_path], check=True)
    assert {each.name for each in FOLDER.iterdir()} == {each.name for each in tmp_path.iterdir()}
    for made in tmp_path.iterdir():
        assert made.read_text() == (FOLDER / made.name).read_text(), "run deploy/grafana/dashboards.py"


@EACH
def test_a_panel_says_in_a_sentence_what_it_shows(panel: Drawn) -> None:
    assert re.fullmatch(r"[A-Z0-9].{20,}\.", panel.json["description"], re.DOTALL)


@EACH
def test_a_panel_has_a_unit_and_names_its_series(panel: Drawn) -> None:
    if panel.kind in ("timeseries", "stat"):
        assert panel.json["fieldConfig"]["defaults"]["unit"]
    for target in panel.json.get("targets", ()):
        assert target["legendFormat"]


def test_no_panel_is_a_pie() -> None:
    assert {panel.kind for panel in PANELS} == {"timeseries", "heatmap", "stat", "state-timeline"}


@EACH
def test_a_panel_asks_the_chosen_prometheus(panel: Drawn) -> None:
    for place in (panel.json, *panel.json.get("targets", ())):
        assert place["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


@EACH
def test_our_series_in_a_panel_are_those_of_the_server(panel: Drawn) -> None:
    asked = {name for expr in panel.exprs for name in metrics_in(expr) if name.startswith("tear_")}
    assert asked <= series()


@BOARD
def test_panels_of_a_board_have_ids_of_their_own_and_do_not_overlap(name: str) -> None:
    drawn = board(name)["panels"]
    assert len({each["id"] for each in drawn}) == len(drawn)
    taken = [
        (x, y)
        for at in (each["gridPos"] for each in drawn)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24


@BOARD
def test_a_board_lets_one_choose_prometheus_and_model_and_marks_new_adapters(name: str) -> None:
    made = board(name)
    assert [each["name"] for each in made["templating"]["list"]] == ["datasource", "model"]
    [marked] = made["annotations"]["list"]
    assert "tear_adapter_info" in marked["target"]["expr"]


def series() -> set[str]:
    """The names of all series that the server's own page may have, sums of what can be negative left out."""
    found: set[str] = set()
    for family in Metrics().registry.collect():
        suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(family.type, ("",))
        found |= {family.name + suffix for suffix in suffixes}
    below_zero = ("draft_weight", "expected_weight", "answer_weight", "weight_shift", "weight_error")
    return found - {f"tear_{name}_sum" for name in below_zero}
