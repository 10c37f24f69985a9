"""The report of a sweep as one HTML page that fetches nothing."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from tear_training.pages import render, write_whole
from tear_training.sweep.analysis import COMPARED
from tear_training.sweep.charts import charts, svg_of
from tear_training.sweep.results import SweepReport

TOLD = (
    "cas",
    "d2_held_out",
    "d2",
    "d2_gain",
    "d3",
    "d4_own",
    "d4_shuffled",
    "d4_gain",
    "weight_rho",
    "weight_sign",
    "kept_kind",
    "revised_wounding",
    "draft_opens",
    "answer_opens",
    "perplexity_ratio",
)
"""What is shown of each condition; all the rest is in the document."""


def render_page(report: SweepReport) -> str:
    """The page; what models wrote is escaped."""
    drawn = {
        # The SVG is ours and holds no text of models.
        name: Markup(svg_of(chart, report, name=name))  # noqa: S704
        for name, chart in charts(report).items()
    }
    return render(
        "sweep/sweep.html.j2",
        report=report,
        charts=drawn,
        told=TOLD,
        compared=[name for name in COMPARED if name in report.titles],
        titles=report.titles,
        pairs=report.pairs,
    )


def write_page(path: Path, report: SweepReport) -> None:
    """Write the page, whole or not at all."""
    write_whole(path, render_page(report))
