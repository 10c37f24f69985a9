// The weight on its scale from −3 to +3: a bar from zero to where it lies, and a second mark where it was expected.

import { drawing } from "./element.js";
import { signed, weightSentence } from "./figures.js";

const WIDTH = 320;
const MARGIN = 16;
const LINE = 14;
const LOWEST = -3;
const HIGHEST = 3;

/** The scale as a picture with a text for who cannot see it; `expected` may be null. */
export function weightScale(weight, expected) {
  const parts = [drawing("line", { class: "axis", x1: at(LOWEST), x2: at(HIGHEST), y1: LINE, y2: LINE })];
  for (let tick = LOWEST; tick <= HIGHEST; tick += 1) {
    const reach = tick === 0 ? 8 : 3;
    parts.push(drawing("line", { class: "axis", x1: at(tick), x2: at(tick), y1: LINE - reach, y2: LINE + reach }));
    if (tick % 3 === 0) parts.push(drawing("text", { x: at(tick), y: 40 }, signed(tick)));
  }
  parts.push(drawing("line", { class: "bar", x1: at(0), x2: at(weight), y1: LINE, y2: LINE }));
  if (expected !== null) parts.push(expectedMark(at(expected), LINE + 9));
  parts.push(drawing("circle", { class: "mark", cx: at(weight), cy: LINE, r: 6 }));
  const label = weightSentence(weight, expected);
  return drawing("svg", { class: "scale", viewBox: `0 0 ${WIDTH} 44`, role: "img", "aria-label": label }, ...parts);
}

/** The mark of the expected weight by itself, to explain it beside a figure. */
export function expectedKey() {
  return drawing("svg", { class: "key", viewBox: "0 0 10 9", "aria-hidden": "true" }, expectedMark(5, 1));
}

function expectedMark(x, y) {
  return drawing("path", { class: "expected", d: `M${x} ${y}l4.500 7h-9z` });
}

function at(weight) {
  const place = (Math.min(Math.max(weight, LOWEST), HIGHEST) - LOWEST) / (HIGHEST - LOWEST);
  return Math.round((MARGIN + place * (WIDTH - 2 * MARGIN)) * 10) / 10;
}
