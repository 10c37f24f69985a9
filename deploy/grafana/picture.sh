#!/usr/bin/env bash
# Draw every dashboard with Grafana's own components, on the data of a running Prometheus, into docs/pictures.
# PROMETHEUS_URL says which (http://127.0.0.1:9090 if not set), MINUTES how far back (10 if not set).
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/.peers/bin:$PATH" PROMETHEUS_URL="${PROMETHEUS_URL:-http://127.0.0.1:9090}"
page=.grafana/preview port="${PREVIEW_PORT:-4173}"

browser=$(command -v chromium) || { echo "Chromium is not installed. On Debian: apt-get install chromium"; exit 1; }
curl -sf "$PROMETHEUS_URL/-/ready" > /dev/null || { echo "No Prometheus at $PROMETHEUS_URL: run make observe"; exit 1; }
cp deploy/grafana/preview/* "$page/"
rm -rf .grafana/dashboards
cp -r deploy/grafana/dashboards .grafana/
(cd "$page" && node_modules/.bin/vite build --logLevel error)
(cd "$page" && exec node_modules/.bin/vite preview --port "$port" --logLevel error) &
# At once: asked to end, it waits for connections that browsers leave open.
trap 'kill -KILL $!' EXIT
until curl -sf "http://127.0.0.1:$port/" > /dev/null; do sleep 0.2; done

mkdir -p docs/pictures
for board in witness service engine; do
  # As high as its lowest panel: 38 pixels to a grid row.
  rows=$(python3 -c 'import json, sys; print(max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in json.load(open(sys.argv[1]))["panels"]))' \
    "deploy/grafana/dashboards/$board.json")
  "$browser" --headless --no-sandbox --disable-gpu --disable-background-networking --hide-scrollbars \
    --window-size="1576,$((60 + rows * 38))" --virtual-time-budget=30000 \
    --screenshot="docs/pictures/dashboard-$board.png" \
    "http://127.0.0.1:$port/?board=$board&minutes=${MINUTES:-10}" 2> /dev/null
  echo "docs/pictures/dashboard-$board.png"
done
