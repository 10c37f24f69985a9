"""Plots as inline SVG that reads on light and on dark ground; they hold no text of rows."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tear_training.audit.coverage import UNJUDGED
from tear_training.audit.figures import Audit, Leak

OPENS, CLOSES, PLAIN = "#2f9e6e", "#d0605e", "#8a8f98"

# Matplotlib cannot say currentColor: this stands for it until the SVG is written.
_INK = "#010203"
_STYLE: Any = {
    "svg.hashsalt": "tear",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_NO_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}
_IDS = re.compile(r'(\bid="|href="#|url\(#)')


def draw_leaks(audit: Audit) -> str:
    """What each field gives away, with its interval; chance is the thin line."""
    measured = [leak for leak in audit.leaks.leaks if leak.guess is not None]
    with _axes(height=0.6 + 0.35 * max(len(measured), 1)) as (figure, axes):
        for place, leak in enumerate(reversed(measured)):
            _draw_leak(axes, place, leak)
        axes.set_yticks(range(len(measured)), [f"{leak.field}, {leak.scope}" for leak in reversed(measured)])
        axes.axvline(0.5, color=PLAIN, linewidth=1)
        axes.set_xlim(min([0.3, *(leak.guess.accuracy.low for leak in measured if leak.guess)]) - 0.02, 1.02)
        axes.set_xlabel("accuracy of guessing opens or closes")
        return _svg(figure, "leaks")


def draw_weights(audit: Audit) -> str:
    """How many answers have each weight."""
    weights = audit.answers.by_weight
    with _axes(height=2.4) as (figure, axes):
        colors = [PLAIN if name in ("0", UNJUDGED) else CLOSES if name.startswith("-") else OPENS for name in weights]
        bars = axes.bar(list(weights), list(weights.values()), color=colors)
        axes.bar_label(bars, padding=1)
        axes.set_xlabel("weight")
        axes.set_ylabel("answers")
        return _svg(figure, "weights")


def draw_manners(audit: Audit) -> str:
    """How many answers there are of each manner and kind."""
    manners = audit.answers.by_manner
    with _axes(height=0.6 + 0.28 * len(manners)) as (figure, axes):
        bars = axes.barh(list(manners), list(manners.values()), color=PLAIN)
        axes.bar_label(bars, padding=3)
        axes.invert_yaxis()
        axes.set_xlabel("answers")
        return _svg(figure, "manners")


def _draw_leak(axes: Axes, place: int, leak: Leak) -> None:
    assert leak.guess is not None
    score = leak.guess.accuracy
    axes.plot([score.low, score.high], [place, place], color=PLAIN, linewidth=3, solid_capstyle="round")
    axes.plot([score.value], [place], marker="o", color=_INK)


@contextmanager
def _axes(*, height: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure of its own, so that drawing neither needs nor leaves a state."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, height), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        yield figure, axes


def _svg(figure: Figure, name: str) -> str:
    """The `svg` element alone, its ids made this plot's own: several stand in one page."""
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata=_NO_METADATA)
    svg = written.getvalue()
    svg = _IDS.sub(rf"\g<1>{name}-", svg[svg.index("<svg") :])
    return svg.replace(_INK, "currentColor")
