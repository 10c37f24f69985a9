"""The few kinds of panels that the dashboards are made of, alike in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common as parts
from grafana_foundation_sdk.builders import dashboard as boards
from grafana_foundation_sdk.builders import heatmap, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Panel = Builder[dashboard.Panel]
SOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH = 24
HEIGHT = 8


@dataclass(frozen=True, slots=True)
class Curve:
    """An expression, and what its series are called: text with `{{label}}` in it."""

    expr: str
    legend: str


def curves(
    title: str,
    told: str,
    *queries: Curve,
    unit: str = "short",
    least: float | None = None,
    most: float | None = None,
    stacked: bool = False,
    span: int = WIDTH // 2,
) -> Panel:
    """Series over time."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(told)
        .datasource(SOURCE)
        .unit(unit)
        .height(HEIGHT)
        .span(span)
        .line_width(2)
        .fill_opacity(35 if stacked else 8)
        .show_points(common.VisibilityMode.NEVER)
        .legend(
            parts.VizLegendOptions().display_mode(common.LegendDisplayMode.LIST).placement(_BELOW).show_legend(True)
        )
        .tooltip(parts.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
    )
    if least is not None:
        panel = panel.min(least)
    if most is not None:
        panel = panel.max(most)
    if stacked:
        panel = panel.stacking(parts.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    for place, query in enumerate(queries):
        panel = panel.with_target(_target(query, place))
    return panel


def heat(title: str, told: str, metric: str, *, unit: str = "short", span: int = WIDTH // 2) -> Panel:
    """A histogram over time: the darker a cell, the more observations fell into that bucket meanwhile.

    `metric`: selector of the buckets, all but `+Inf`, which must hold nothing of its own.
    """
    query = Curve(f"sum by (le) (increase({metric}[$__rate_interval]))", "{{le}}")
    return (
        heatmap.Panel()
        .title(title)
        .description(told)
        .datasource(SOURCE)
        .height(HEIGHT)
        .span(span)
        .calculate(False)
        .cell_gap(1)
        .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(32))
        .rows_frame(heatmap.RowsHeatmapOptions().layout(common.HeatmapCellLayout.LE))
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .cell_values(heatmap.CellValues().decimals(0))
        .with_target(_target(query, 0).format(PromQueryFormat.HEATMAP))
    )


def number(
    title: str,
    told: str,
    query: Curve,
    *,
    unit: str = "short",
    decimals: int | None = None,
    warn_from: float | None = None,
    least: float | None = None,
    most: float | None = None,
    span: int = WIDTH // 6,
) -> Panel:
    """One figure for the whole of the time that is shown, orange from `warn_from` on."""
    steps = [dashboard.Threshold(value=None, color="text")]
    if warn_from is not None:
        steps.append(dashboard.Threshold(value=warn_from, color="orange"))
    panel = (
        stat.Panel()
        .title(title)
        .description(told)
        .datasource(SOURCE)
        .unit(unit)
        .height(HEIGHT // 2)
        .span(span)
        .no_value("none yet")
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.VALUE)
        .text_mode(common.BigValueTextMode.VALUE)
        .reduce_options(parts.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(boards.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps))
        .with_target(_target(query, 0).instant())
    )
    if decimals is not None:
        panel = panel.decimals(decimals)
    if least is not None and most is not None:
        panel = panel.min(least).max(most)
    return panel


def spans(title: str, told: str, query: Curve, *, span: int = WIDTH) -> Panel:
    """From when to when each series was there."""
    return (
        statetimeline.Panel()
        .title(title)
        .description(told)
        .datasource(SOURCE)
        .height(HEIGHT // 2 + 1)
        .span(span)
        .show_value(common.VisibilityMode.NEVER)
        .legend(
            parts.VizLegendOptions().display_mode(common.LegendDisplayMode.LIST).placement(_BELOW).show_legend(False)
        )
        .with_target(_target(query, 0))
    )


def board(
    uid: str, title: str, told: str, *, model_of: str, rows: Sequence[tuple[str, Sequence[Panel]]]
) -> dashboard.Dashboard:
    """A dashboard with its rows. `model_of`: series and label that name the models to choose from, `series, label`."""
    built = (
        boards.Dashboard(title)
        .uid(uid)
        .description(told)
        .tags(["the-tear"])
        .timezone("browser")
        .time("now-1h", "now")
        .refresh("10s")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .with_variable(boards.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(
            boards.QueryVariable("model")
            .label("Model")
            .datasource(SOURCE)
            .query(f"label_values({model_of})")
            .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
            .multi(True)
            .include_all(True)
            .all_value(".*")
            .current(dashboard.VariableOption(text="All", value="$__all"))
        )
        .annotation(_adapter_changes())
        .link(boards.DashboardLink("The Tear").type(dashboard.DashboardLinkType.DASHBOARDS).tags(["the-tear"]))
    )
    for name, panels in rows:
        built = built.with_row(boards.Row(name))
        for panel in panels:
            built = built.with_panel(panel)
    made = built.build()
    for place, each in enumerate(made.panels or [], start=1):
        each.id_val = place  # what is linked to goes by it
    return made


_BELOW = common.LegendPlacement.BOTTOM


def _target(query: Curve, place: int) -> prometheus.Dataquery:
    target = prometheus.Dataquery().ref_id(chr(ord("A") + place)).datasource(SOURCE)
    return target.expr(query.expr).legend_format(query.legend).range()


def _adapter_changes() -> boards.AnnotationQuery:
    """A mark where a model begins to answer with an adapter that it did not answer with a minute ago."""
    served = "max by (model, adapter) (tear_adapter_info)"
    expr = f"{served} unless max by (model, adapter) (tear_adapter_info offset 1m)"
    return (
        boards.AnnotationQuery()
        .name("Adapter changes")
        .datasource(SOURCE)
        .enable(True)
        .icon_color("purple")
        .target(prometheus.Dataquery().ref_id("Anno").expr(expr).interval("15s").range())
        .title_format("Adapter")
        .text_format("{{model}} now answers with {{adapter}}")
    )
