"""An evaluation's marks in an adapter's manifest, so that whoever serves it sees what it scored."""

from __future__ import annotations

from pathlib import Path

from tear_chain.errors import AdapterError
from tear_chain.manifest import Manifest, load_manifest, save_manifest
from tear_training.evaluate.report import EvalReport

MARKS = ("cas", "d1_same", "d2", "d2_gain", "d3", "d4_gain", "d5", "kept_kind")
"""The figures of the world that go into `Manifest.metrics`; the score with its interval."""


def write_marks(adapter: Path, report: EvalReport) -> Manifest:
    """Lay the marks over those that the manifest has; weights, their digests and so the version stay as they are.

    `AdapterError` where the report is of another adapter.
    """
    manifest = load_manifest(adapter)
    if report.adapter != manifest.version:
        raise AdapterError(f"The report is of adapter {report.adapter}; {adapter} holds {manifest.version}.")
    marked = manifest.model_copy(update={"metrics": {**manifest.metrics, **marks(report)}})
    save_manifest(adapter, marked)
    return marked


def marks(report: EvalReport) -> dict[str, float]:
    """The marks by name; what the report does not have is left out."""
    world = report.suite("world")
    found = {name: figure for name in MARKS if world is not None and (figure := world.figure(name)) is not None}
    values = {name: figure.value for name, figure in found.items()}
    if score := found.get("cas"):
        values |= {"cas_low": score.low, "cas_high": score.high}
    return values
