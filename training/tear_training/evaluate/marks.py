"""An evaluation's marks in an adapter's manifest, so that whoever serves it sees what it scored."""

from __future__ import annotations

from pathlib import Path

from tear_chain.errors import AdapterError
from tear_chain.manifest import MODEL_CARD_FILE, Manifest, load_manifest, save_manifest
from tear_training.evaluate.report import EvalReport
from tear_training.model_card import remeasure

MARKS = ("cas", "d1_same", "d2", "d2_gain", "d3", "d4_gain", "d5", "kept_kind")
"""The figures of the world that go into `Manifest.metrics`; the score with its interval."""


def write_marks(adapter: Path, report: EvalReport) -> Manifest:
    """Lay the marks over those that manifest and model card have; `AdapterError` if the report is of another adapter.

    Weights, their digests and so the version stay as they are.
    """
    manifest = load_manifest(adapter)
    if report.adapter != manifest.version:
        raise AdapterError(f"The report is of adapter {report.adapter}; {adapter} holds {manifest.version}.")
    marked = manifest.model_copy(update={"metrics": {**manifest.metrics, **marks(report)}})
    if (card := adapter / MODEL_CARD_FILE).is_file():
        card.write_text(remeasure(card.read_text(encoding="utf-8"), marked), encoding="utf-8")
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
