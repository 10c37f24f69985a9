"""Plots in the house's style: as inline SVG that reads on light and on dark ground, and as PNG on white."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

OPENS, CLOSES, PLAIN = "#2f9e6e", "#d0605e", "#8a8f98"
INK = "#010203"
"""Matplotlib cannot say currentColor: this stands for it until the SVG is written."""

_STYLE: Any = {
    "svg.hashsalt": "tear",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
_NO_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}
_IDS = re.compile(r'(\bid="|href="#|url\(#)')
_PNG_DPI = 150


@contextmanager
def panels(*, height: float, columns: int = 1, rows: int = 1) -> Iterator[tuple[Figure, tuple[Axes, ...]]]:
    """A figure of its own, so that drawing neither needs nor leaves a state, and its axes, row by row.

    All axes of several share their scale upwards.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, height), layout="constrained")
        figure.patch.set_alpha(0)
        found = figure.subplots(rows, columns, squeeze=False, sharey=True).flatten()
        for axes in found:
            axes.patch.set_alpha(0)
        yield figure, tuple(found)


def svg(figure: Figure, name: str) -> str:
    """The `svg` element alone, its ids made this plot's own: several stand in one page."""
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata=_NO_METADATA)
    found = written.getvalue()
    found = _IDS.sub(rf"\g<1>{name}-", found[found.index("<svg") :])
    return found.replace(INK, "currentColor")


def png(figure: Figure, path: Path) -> None:
    """Write the plot on white ground; the same plot gives the same bytes."""
    figure.savefig(path, format="png", dpi=_PNG_DPI, facecolor="white", metadata={"Software": None})
