"""The plots of a sweep, as SVG for its page and as PNG beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tear_training.drawing import CLOSES, INK, OPENS, PLAIN, panels, png, svg
from tear_training.sweep.grid import lambda_name
from tear_training.sweep.results import SeedFigure, SweepReport

BLUE = "#4d83c4"
COLORS = (OPENS, PLAIN, CLOSES, BLUE, "#b08a2e")
SCALED = {"cas": "score", "d2_scaled": "D2", "d3_scaled": "D3", "d4_scaled": "D4"}
"""All on one scale: 0 is chance, 1 is perfect."""

_SIGNS = {-3: "−3", -2: "−2", -1: "−1", 0: "0", 1: "+1", 2: "+2", 3: "+3"}

Chart = Callable[[SweepReport], AbstractContextManager[Figure]]


def charts(report: SweepReport) -> dict[str, Chart]:
    """The plots that the report has figures for, by name."""
    found: dict[str, Chart] = {"lambda": draw_curve, "controls": draw_controls}
    if any(each.calibration for each in report.conditions):
        found |= {"calibration": draw_calibration, "weights": draw_weights}
    return found


def svg_of(chart: Chart, report: SweepReport, *, name: str) -> str:
    """A plot for a page."""
    with chart(report) as figure:
        return svg(figure, name)


def write_plots(out: Path, report: SweepReport) -> list[Path]:
    """Write every plot as PNG into a folder, and name them."""
    written = []
    for name, chart in charts(report).items():
        with chart(report) as figure:
            written.append(out / f"{name}.png")
            png(figure, written[-1])
    return written


@contextmanager
def draw_curve(report: SweepReport) -> Iterator[Figure]:
    """Score, D2, D3 and D4 over lambda: intervals over seeds and situations, and each seed as a dot."""
    names = [lambda_name(factor) for factor in sorted(report.sweep.lambda_)]
    with panels(height=4.6, columns=2, rows=2) as (figure, all_axes):
        for axes, (name, title) in zip(all_axes, SCALED.items(), strict=True):
            for place, condition in enumerate(names):
                if found := _figure(report, condition, name):
                    _point(axes, place, found, color=OPENS)
            axes.axhline(0, color=PLAIN, linewidth=1)
            axes.set_title(title, fontsize=10)
            axes.set_xticks(range(len(names)), [name.removeprefix("lambda-") for name in names])
            axes.set_xlim(-0.5, len(names) - 0.5)
        figure.supxlabel("lambda, times the recipe's", fontsize=10, color=INK)
        figure.supylabel("0 is chance, 1 is perfect", fontsize=10, color=INK)
        yield figure


@contextmanager
def draw_controls(report: SweepReport) -> Iterator[Figure]:
    """D2, D3 and D4 of the main lambda beside lambda 0 and the controls."""
    names = _beside(report)
    parts = [name for name in SCALED if name != "cas"]
    width = 0.8 / max(1, len(names))
    with panels(height=3.2) as (figure, (axes,)):
        for number, condition in enumerate(names):
            for place, part in enumerate(parts):
                if found := _figure(report, condition, part):
                    left = place + (number - (len(names) - 1) / 2) * width
                    label = _title(condition) if place == 0 else None
                    axes.bar(left, found.value, width * 0.9, color=_color(number), label=label)
                    axes.plot([left, left], [found.low, found.high], color=INK, linewidth=1)
        axes.axhline(0, color=PLAIN, linewidth=1)
        axes.set_xticks(range(len(parts)), [SCALED[part] for part in parts])
        axes.set_ylabel("0 is chance, 1 is perfect")
        _legend(axes)
        yield figure


@contextmanager
def draw_calibration(report: SweepReport) -> Iterator[Figure]:
    """The mean weight that was foreseen of answers of each gold weight."""
    with panels(height=3.6) as (figure, (axes,)):
        axes.plot([-3, 3], [-3, 3], color=PLAIN, linewidth=1, linestyle="dotted")
        names = _beside(report)
        for number, condition in enumerate(names):
            result = report.condition(condition)
            points = () if result is None else result.calibration
            if not points:
                continue
            shift = (number - (len(names) - 1) / 2) * 0.08
            axes.errorbar(
                [point.gold + shift for point in points],
                [point.foreseen.value for point in points],
                yerr=(
                    [point.foreseen.value - point.foreseen.low for point in points],
                    [point.foreseen.high - point.foreseen.value for point in points],
                ),
                color=_color(number),
                marker="o",
                linewidth=1,
                label=_title(condition),
                markersize=5,
                elinewidth=2.5,
            )
        axes.set_xticks(list(_SIGNS), list(_SIGNS.values()))
        axes.set_yticks(list(_SIGNS), list(_SIGNS.values()))
        axes.set_xlabel("gold weight")
        axes.set_ylabel("mean foreseen weight")
        _legend(axes)
        yield figure


@contextmanager
def draw_weights(report: SweepReport) -> Iterator[Figure]:
    """How often each weight was foreseen, and how often it was the gold one."""
    counts = {_title(name): found.weights for name in _beside(report) if (found := report.condition(name))}
    told = {"gold": report.gold, **counts}
    shown = {name: weights for name, weights in told.items() if sum(weights.values())}
    width = 0.8 / max(1, len(shown))
    with panels(height=3.2) as (figure, (axes,)):
        for number, (name, weights) in enumerate(shown.items()):
            total = sum(weights.values())
            left = [weight + (number - (len(shown) - 1) / 2) * width for weight in _SIGNS]
            heights = [weights.get(weight, 0) / total for weight in _SIGNS]
            axes.bar(left, heights, width * 0.9, color=INK if name == "gold" else _color(number - 1), label=name)
        axes.set_xticks(list(_SIGNS), list(_SIGNS.values()))
        axes.set_xlabel("weight")
        axes.set_ylabel("share of the weights told")
        _legend(axes)
        yield figure


def _point(axes: Axes, place: float, found: SeedFigure, *, color: str) -> None:
    axes.plot([place, place], [found.low, found.high], color=color, linewidth=2.5, solid_capstyle="round")
    seeds = [value for value in found.by_seed if value is not None]
    axes.plot([place] * len(seeds), seeds, color=PLAIN, marker=".", markersize=4, linestyle="none")
    axes.plot([place], [found.value], color=INK, marker="o", markersize=5)


def _figure(report: SweepReport, condition: str, name: str) -> SeedFigure | None:
    result = report.condition(condition)
    return None if result is None else result.figure(name)


def _beside(report: SweepReport) -> Sequence[str]:
    """The main condition, lambda 0 and the controls, as far as they are done."""
    wanted = dict.fromkeys([report.main, lambda_name(0), *report.sweep.controls])
    return [name for name in wanted if name is not None and report.condition(name) is not None]


def _title(condition: str) -> str:
    return condition.replace("lambda-", "lambda ")


def _color(number: int) -> str:
    return COLORS[number % len(COLORS)]


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=9, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
