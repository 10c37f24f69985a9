"""The audit as one HTML page: no script, nothing fetched, the same bytes for the same audit."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from tear_training.audit.charts import draw_leaks, draw_manners, draw_weights
from tear_training.audit.figures import Audit
from tear_training.audit.grid import coverage_lines
from tear_training.pages import render, write_whole


def render_page(audit: Audit) -> str:
    """The page; what stands in rows is escaped."""
    charts = {
        # The SVG is ours and holds no text of rows.
        name: Markup(draw(audit))  # noqa: S704
        for name, draw in (("leaks", draw_leaks), ("weights", draw_weights), ("manners", draw_manners))
    }
    return render("audit/audit.html.j2", audit=audit, charts=charts, coverage=coverage_lines(audit.answers.cells))


def write_page(path: Path, audit: Audit) -> None:
    """Write the page, whole or not at all."""
    write_whole(path, render_page(audit))
