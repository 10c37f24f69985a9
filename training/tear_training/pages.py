"""HTML pages of this house: no script, nothing fetched, the same bytes for the same document."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined


def render(template: str, **values: object) -> str:
    """A page from a template of this package, such as `audit/audit.html.j2`; what is put into it is escaped."""
    environment = Environment(
        # Not by file name: `audit.html.j2` ends with no name that jinja2 would escape of itself.
        loader=PackageLoader("tear_training", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def write_whole(path: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
