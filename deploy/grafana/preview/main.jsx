// Draws a committed dashboard with Grafana's own components, where no Grafana can be had: ?board=witness&minutes=15.
// Curves, figures and frames are Grafana's. Heatmaps and timelines are drawn here, since Grafana's are not in
// @grafana/ui.
import { StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import {
  createTheme, dateTime, FieldType, getDisplayProcessor, LoadingState, ThemeContext, toDataFrame,
} from "@grafana/data";
import { BigValue, GlobalStyles, PanelChrome, TimeSeries } from "@grafana/ui";
import { Heat, Spans } from "./drawn.jsx";

const CELL = 1560 / 24;
const ROW = 38;
const SCRAPE_S = 2;
const theme = createTheme({ colors: { mode: "light" }, typography: { fontFamily: "sans-serif" } });
const boards = import.meta.glob("../dashboards/*.json", { eager: true, import: "default" });
const asked = new URLSearchParams(location.search);
const board = boards[`../dashboards/${asked.get("board") ?? "witness"}.json`];
const rangeS = 60 * Number(asked.get("minutes") ?? 15);
const endS = Math.floor(Date.now() / 1000);
const stepS = Math.max(SCRAPE_S, Math.ceil(rangeS / 240));
const shownMs = { fromMs: (endS - rangeS) * 1000, toMs: endS * 1000, stepMs: stepS * 1000 };
const range = { from: dateTime((endS - rangeS) * 1000), to: dateTime(endS * 1000) };

async function query(target, instant) {
  const expr = target.expr
    .replaceAll("$__rate_interval", `${Math.max(60, stepS + SCRAPE_S, 4 * SCRAPE_S)}s`)
    .replaceAll("$__range", `${rangeS}s`)
    .replaceAll("$model", ".*");
  const body = new URLSearchParams({ query: expr, start: endS - rangeS, end: endS, step: stepS, time: endS });
  const reply = await fetch(`/api/v1/query${instant ? "" : "_range"}`, { method: "POST", body });
  const found = (await reply.json()).data.result;
  return found.map(({ metric, value, values }) => ({
    name: target.legendFormat.replace(/{{(\w+)}}/g, (_, label) => metric[label] ?? ""),
    le: metric.le,
    points: (values ?? [value]).map(([at, figure]) => [at * 1000, Number(figure)]),
  }));
}

function frameOf(series, panel, place) {
  const { defaults } = panel.fieldConfig;
  const frame = toDataFrame({
    fields: [
      { name: "time", type: FieldType.time, values: series.points.map(([at]) => at) },
      {
        name: series.name,
        type: FieldType.number,
        values: series.points.map(([, figure]) => figure),
        config: { color: { mode: "palette-classic" }, ...defaults, displayName: series.name },
      },
    ],
  });
  const field = frame.fields[1];
  field.state = { seriesIndex: place };
  field.display = getDisplayProcessor({ field, theme });
  frame.fields[0].display = getDisplayProcessor({ field: frame.fields[0], theme });
  return frame;
}

function Body({ panel, series, width, height }) {
  switch (panel.type) {
    case "timeseries": {
      if (series.length === 0) return <p>No data</p>;
      const frames = series.map((each, place) => frameOf(each, panel, place));
      const shown = { frames, timeRange: range, timeZone: "utc", width, height, legend: panel.options.legend };
      return <TimeSeries {...shown} structureRev={1} replaceVariables={(text) => text} />;
    }
    case "stat": {
      const [one] = series;
      if (one === undefined) return <BigValue {...{ width, height, theme }} value={{ text: "none yet", numeric: NaN }} />;
      const field = frameOf(one, panel, 0).fields[1];
      field.config.color = { mode: "thresholds" };
      field.display = getDisplayProcessor({ field, theme });
      const value = { ...field.display(one.points.at(-1)[1]), title: "" };
      return <BigValue {...{ width, height, theme, value }} colorMode="value" graphMode="none" justifyMode="auto" />;
    }
    case "heatmap":
      return <Heat {...{ series, width, height, ...shownMs }} />;
    case "state-timeline":
      return <Spans {...{ series, width, height, ...shownMs }} />;
    default:
      throw new Error(`There is no way here to draw a ${panel.type}.`);
  }
}

function Panel({ panel }) {
  const [series, setSeries] = useState(null);
  useEffect(() => {
    const targets = panel.targets ?? [];
    Promise.all(targets.map((each) => query(each, panel.type === "stat"))).then((found) => setSeries(found.flat()));
  }, [panel]);
  const { x, y, w, h } = panel.gridPos;
  const box = { left: 8 + x * CELL, top: 44 + y * ROW, width: w * CELL - 8, height: h * ROW - 8 };
  if (panel.type === "row") return <section style={box}><h2>{panel.title}</h2></section>;
  const state = series === null ? LoadingState.Loading : LoadingState.Done;
  return (
    <section style={box} data-state={state}>
      <PanelChrome title={panel.title} width={box.width} height={box.height}>
        {(width, height) => (series === null ? null : <Body {...{ panel, series, width, height }} />)}
      </PanelChrome>
    </section>
  );
}

function Board() {
  const bottom = Math.max(...board.panels.map(({ gridPos: { y, h } }) => y + h));
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <main style={{ height: 56 + bottom * ROW }}>
        <h1>{board.title}</h1>
        {board.panels.map((panel) => <Panel key={panel.id} panel={panel} />)}
      </main>
    </ThemeContext.Provider>
  );
}

createRoot(document.getElementById("root")).render(<StrictMode><Board /></StrictMode>);
