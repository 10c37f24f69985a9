"""Plots as inline SVG that reads on light and on dark ground; they hold no text of rows."""

from __future__ import annotations

from matplotlib.axes import Axes

from tear_training.audit.coverage import UNJUDGED
from tear_training.audit.figures import Audit, Leak
from tear_training.drawing import CLOSES, INK, OPENS, PLAIN, panels, svg


def draw_leaks(audit: Audit) -> str:
    """What each field gives away, with its interval; chance is the thin line."""
    measured = [leak for leak in audit.leaks.leaks if leak.guess is not None]
    with panels(height=0.6 + 0.35 * max(len(measured), 1)) as (figure, (axes,)):
        for place, leak in enumerate(reversed(measured)):
            _draw_leak(axes, place, leak)
        axes.set_yticks(range(len(measured)), [f"{leak.field}, {leak.scope}" for leak in reversed(measured)])
        axes.axvline(0.5, color=PLAIN, linewidth=1)
        axes.set_xlim(min([0.3, *(leak.guess.accuracy.low for leak in measured if leak.guess)]) - 0.02, 1.02)
        axes.set_xlabel("accuracy of guessing opens or closes")
        return svg(figure, "leaks")


def draw_weights(audit: Audit) -> str:
    """How many answers have each weight."""
    weights = audit.answers.by_weight
    with panels(height=2.4) as (figure, (axes,)):
        colors = [PLAIN if name in ("0", UNJUDGED) else CLOSES if name.startswith("-") else OPENS for name in weights]
        bars = axes.bar(list(weights), list(weights.values()), color=colors)
        axes.bar_label(bars, padding=1)
        axes.set_xlabel("weight")
        axes.set_ylabel("answers")
        return svg(figure, "weights")


def draw_manners(audit: Audit) -> str:
    """How many answers there are of each manner and kind."""
    manners = audit.answers.by_manner
    with panels(height=0.6 + 0.28 * len(manners)) as (figure, (axes,)):
        bars = axes.barh(list(manners), list(manners.values()), color=PLAIN)
        axes.bar_label(bars, padding=3)
        axes.invert_yaxis()
        axes.set_xlabel("answers")
        return svg(figure, "manners")


def _draw_leak(axes: Axes, place: int, leak: Leak) -> None:
    assert leak.guess is not None
    score = leak.guess.accuracy
    axes.plot([score.low, score.high], [place, place], color=PLAIN, linewidth=3, solid_capstyle="round")
    axes.plot([score.value], [place], marker="o", color=INK)
