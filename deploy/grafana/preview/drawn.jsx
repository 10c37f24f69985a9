// The panels that @grafana/ui has no component for, drawn plainly.

const LEFT = 44;
const BELOW = 22;
const COLORS = ["#73bf69", "#5794f2", "#ff9830", "#f2495c", "#b877d9"];
const clock = (ms) => new Date(ms).toISOString().slice(11, 19);

function Times({ fromMs, toMs, width, height }) {
  const shares = [0, 0.25, 0.5, 0.75, 1];
  return shares.map((share) => (
    <text key={share} x={LEFT + share * (width - LEFT - 50)} y={height - 6} fontSize="11" fill="#555">
      {clock(fromMs + share * (toMs - fromMs))}
    </text>
  ));
}

// Buckets come cumulated, as Prometheus has them; a cell is what falls between two edges.
export function Heat({ series, width, height, fromMs, toMs, stepMs }) {
  const rows = [...series].sort((one, other) => Number(edge(one)) - Number(edge(other)));
  if (rows.length === 0) return <p>No data</p>;
  const times = [...new Set(rows.flatMap((row) => row.points.map(([at]) => at)))].sort((a, b) => a - b);
  const at = rows.map((row) => new Map(row.points));
  const cells = at.map((row, place) =>
    times.map((time) => Math.max(0, (row.get(time) ?? 0) - (place ? (at[place - 1].get(time) ?? 0) : 0))),
  );
  const most = Math.max(...cells.flat(), 1e-9);
  const high = (height - BELOW) / rows.length;
  const wide = ((width - LEFT) * stepMs) / (toMs - fromMs);
  const left = (time) => LEFT + ((time - fromMs) / (toMs - fromMs)) * (width - LEFT) - wide;
  const top = (place) => height - BELOW - (place + 1) * high;
  return (
    <svg width={width} height={height}>
      {cells.map((row, place) =>
        row.map((count, column) => count > 0 && (
          <rect key={`${place} ${column}`} x={left(times[column])} y={top(place)} width={wide + 0.5} height={high - 1}
            fill={`hsl(24 90% ${94 - 56 * Math.sqrt(count / most)}%)`} />
        )),
      )}
      {rows.map((row, place) => (
        <text key={row.le} x={LEFT - 6} y={top(place) + high / 2 + 4} fontSize="11" fill="#555" textAnchor="end">
          {row.le}
        </text>
      ))}
      <Times {...{ fromMs, toMs, width, height }} />
    </svg>
  );
}

export function Spans({ series, width, height, fromMs, toMs }) {
  const x = (ms) => LEFT + ((ms - fromMs) / (toMs - fromMs)) * (width - LEFT);
  const high = (height - BELOW) / Math.max(series.length, 1);
  return (
    <svg width={width} height={height}>
      {series.map(({ name, points }, place) => (
        <g key={name}>
          <rect x={x(points[0][0])} y={place * high + 2} width={x(points.at(-1)[0]) - x(points[0][0])}
            height={high - 6} fill={COLORS[place % COLORS.length]} />
          <text x={x(points[0][0]) + 8} y={place * high + high / 2 + 4} fontSize="12">{name}</text>
        </g>
      ))}
      <Times {...{ fromMs, toMs, width, height }} />
    </svg>
  );
}

const edge = ({ le }) => (le === "+Inf" ? Infinity : le);
