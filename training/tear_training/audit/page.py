"""The audit as one HTML page: no script, nothing fetched, the same bytes for the same audit."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tear_training.audit.charts import draw_leaks, draw_manners, draw_weights
from tear_training.audit.figures import Audit
from tear_training.audit.grid import coverage_lines


def render_page(audit: Audit) -> str:
    """The page; what stands in rows is escaped."""
    environment = Environment(
        # Not by file name: `audit.html.j2` ends with no name that jinja2 would escape of itself.
        loader=PackageLoader("tear_training.audit", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    charts = {
        # The SVG is ours and holds no text of rows.
        name: Markup(draw(audit))  # noqa: S704
        for name, draw in (("leaks", draw_leaks), ("weights", draw_weights), ("manners", draw_manners))
    }
    return environment.get_template("audit.html.j2").render(
        audit=audit, charts=charts, coverage=coverage_lines(audit.answers.cells)
    )


def write_page(path: Path, audit: Audit) -> None:
    """Write the page, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(render_page(audit), encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
