import assert from "node:assert/strict";
import { test } from "node:test";

import { EventDecoder, type ServerEvent } from "../src/sse.js";

function decode(text: string, size = Infinity): ServerEvent[] {
  const bytes = new TextEncoder().encode(text);
  const decoder = new EventDecoder();
  const found: ServerEvent[] = [];
  for (let start = 0; start < bytes.length; start += size) {
    found.push(...decoder.push(bytes.subarray(start, start + size)));
  }
  return found;
}

const CASES: [string, string, ServerEvent[]][] = [
  ["an event has a name and data", "event: a\ndata: 1\n\n", [{ name: "a", data: "1" }]],
  ["without a name it is a message", "data: 1\n\n", [{ name: "message", data: "1" }]],
  ["several data lines are joined by line feeds", "data: 1\ndata:\ndata: 2\n\n", [{ name: "message", data: "1\n\n2" }]],
  ["one space after the colon is no data, a second is", "data:  1\n\n", [{ name: "message", data: " 1" }]],
  ["a comment is nothing", ": keep-alive\n\ndata: 1\n\n", [{ name: "message", data: "1" }]],
  ["a name without data is dropped with its event", "event: a\n\ndata: 1\n\n", [{ name: "message", data: "1" }]],
  [
    "lines end with CR, LF or both",
    "event: a\r\ndata: 1\r\rdata: 2\r\n\r\n",
    [
      { name: "a", data: "1" },
      { name: "message", data: "2" },
    ],
  ],
  ["a line without a colon is a field without a value", "data\n\n", [{ name: "message", data: "" }]],
  ["a byte order mark at the beginning is left out", "\ufeffdata: 1\n\n", [{ name: "message", data: "1" }]],
  ["an event that the end cuts off is discarded", "data: 1\n\ndata: 2\n", [{ name: "message", data: "1" }]],
  ["unknown fields are ignored", "id: 7\nretry: 9\nother: x\ndata: 1\n\n", [{ name: "message", data: "1" }]],
  ["text beyond ASCII is kept", "data: 漢字 👩‍👩‍👧‍👦 é\n\n", [{ name: "message", data: "漢字 👩‍👩‍👧‍👦 é" }]],
];

for (const [law, text, expected] of CASES) {
  test(`${law}, however the bytes are cut`, () => {
    for (const size of [Infinity, 1, 2, 3, 7]) assert.deepEqual(decode(text, size), expected, `chunks of ${size}`);
  });
}
