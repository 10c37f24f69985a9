"""The committed dashboards, taken apart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
FOLDER = DEPLOY / "grafana" / "dashboards"
NAMES = ("witness", "service", "engine")
VARIABLES = {"$__rate_interval": "1m", "$__range": "1m", "$model": ".*"}
"""What Grafana puts in their places."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A panel."""

    board: str
    json: dict[str, Any]

    @property
    def title(self) -> str:
        return str(self.json["title"])

    @property
    def kind(self) -> str:
        return str(self.json["type"])

    @property
    def exprs(self) -> list[str]:
        """The expressions as Prometheus gets them."""
        return [resolve(target["expr"]) for target in self.json.get("targets", ())]

    @property
    def bounds(self) -> tuple[float, float]:
        """Between which values its figures make sense."""
        shown = self.json.get("fieldConfig", {}).get("defaults", {})
        most = 1.0 if shown.get("unit") == "percentunit" else float("inf")
        return shown.get("min", 0.0), shown.get("max", most)


def board(name: str) -> dict[str, Any]:
    """A committed dashboard."""
    read: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return read


def panels() -> Iterator[Drawn]:
    """Every panel of every dashboard, rows left out."""
    for name in NAMES:
        yield from (Drawn(name, each) for each in board(name)["panels"] if each["type"] != "row")


def resolve(expr: str) -> str:
    """An expression with Grafana's variables filled in."""
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    return expr


def metrics_in(expr: str) -> set[str]:
    """The series that an expression asks for, `_bucket` and the like left on."""
    return set(re.findall(r"\b(?:tear_|vllm:)[a-z_]+", re.sub(r'"[^"]*"', '""', expr)))
