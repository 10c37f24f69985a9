import assert from "node:assert/strict";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, test } from "node:test";

import {
  InvalidKey,
  NotFound,
  Overloaded,
  RateLimited,
  Refusal,
  ServerUnreachable,
  StreamCut,
  TearClient,
  UnreadableReply,
  toRefusal,
} from "../src/index.js";

const ASKED = { messages: [{ role: "user" as const, content: "Am I any good?" }] };
const DELTA = 'event: text.delta\ndata: {"stage":"draft","field":null,"text":"Slow","tokens":1}\n\n';
const DONE = 'event: reflection.completed\ndata: {"reflection":{"id":"refl-1","answer":"Slow"}}\n\n';
const STREAM = { "content-type": "text/event-stream; charset=utf-8" };

let server: Server | undefined;

/** A client of a server that answers so; `asked` are the requests that came. */
async function serve(answer: (reply: ServerResponse, body: string, request: IncomingMessage) => void) {
  const asked: { request: IncomingMessage; body: string }[] = [];
  server = createServer(async (request, reply) => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    asked.push({ request, body });
    answer(reply, body, request);
  });
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { client: new TearClient({ url, apiKey: "tear-key" }), asked, url };
}

function refuse(status: number, code: string, headers: Record<string, string> = {}) {
  return (reply: ServerResponse) => {
    reply.writeHead(status, { "content-type": "application/json", "x-request-id": "r1", ...headers });
    reply.end(JSON.stringify({ error: { message: `It is ${code}.`, type: "x", param: "model", code } }));
  };
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

test("a reflection is asked for whole, as JSON, with the key", async () => {
  const { client, asked } = await serve((reply) => reply.end('{"id":"refl-1"}'));
  assert.equal((await client.reflect({ ...ASKED, seed: 1 })).id, "refl-1");
  const [{ request, body } = assert.fail()] = asked;
  assert.deepEqual([request.method, request.url], ["POST", "/v1/reflections"]);
  assert.equal(request.headers.authorization, "Bearer tear-key");
  assert.deepEqual(JSON.parse(body), { ...ASKED, seed: 1 });
});

test("a stream is its typed events, and what this version does not know is passed over", async () => {
  const { client, asked } = await serve((reply) => {
    reply.writeHead(200, STREAM).end(`: hello\n\n${DELTA}event: new.thing\ndata: ?\n\n${DONE}`);
  });
  const events = await all(client.stream(ASKED));
  assert.deepEqual(events.map((event) => event.type), ["text.delta", "reflection.completed"]);
  assert.equal(JSON.parse(asked[0]?.body ?? "").stream, true);
});

test("a stream that ends too early is cut, after all that came", async () => {
  const { client } = await serve((reply) => void reply.writeHead(200, STREAM).end(DELTA));
  const seen: string[] = [];
  await assert.rejects(async () => {
    for await (const event of client.stream(ASKED)) seen.push(event.type);
  }, StreamCut);
  assert.deepEqual(seen, ["text.delta"]);
});

test("a connection that breaks in the middle is cut, too", async () => {
  const { client } = await serve((reply) => {
    reply.writeHead(200, STREAM).write(DELTA);
    setImmediate(() => reply.destroy());
  });
  await assert.rejects(all(client.stream(ASKED)), StreamCut);
});

test("a failure in the stream is thrown as the error of its code", async () => {
  const { client } = await serve((reply) => {
    reply.writeHead(200, STREAM).end('event: reflection.failed\ndata: {"code":"overloaded","message":"Full."}\n\n');
  });
  const error = await all(client.stream(ASKED)).catch((error: unknown) => error);
  assert.ok(error instanceof Overloaded);
  assert.deepEqual([error.message, error.status, error.retryable], ["Full.", null, true]);
});

test("an abort ends the call with the signal's reason, and the server sees the client go", async () => {
  const gone = withResolvers();
  const { client } = await serve((reply) => {
    reply.on("close", () => gone.resolve());
    reply.writeHead(200, STREAM).write(DELTA);
  });
  const controller = new AbortController();
  await assert.rejects(async () => {
    for await (const _ of client.stream(ASKED, { signal: controller.signal })) controller.abort();
  }, { name: "AbortError" });
  await gone.promise;
});

test("leaving the loop ends the server's work", async () => {
  const gone = withResolvers();
  const { client } = await serve((reply) => {
    reply.on("close", () => gone.resolve());
    reply.writeHead(200, STREAM).write(DELTA);
  });
  for await (const _ of client.stream(ASKED)) break;
  await gone.promise;
});

test("a refusal is the class of its code, with all that the server told", async () => {
  const { client } = await serve(refuse(429, "rate_limit_exceeded", { "retry-after": "2", "retry-after-ms": "1250" }));
  const error = await client.reflect(ASKED).catch((error: unknown) => error);
  assert.ok(error instanceof RateLimited);
  const { status, code, param, retryable, retryAfterMs, requestId } = error;
  assert.deepEqual([status, code, param, requestId], [429, "rate_limit_exceeded", "model", "r1"]);
  assert.deepEqual([retryable, retryAfterMs], [true, 1250]);
});

test("whether to try again is the server's to say", async () => {
  const { client } = await serve(refuse(503, "overloaded", { "x-should-retry": "false" }));
  const error = await client.models().catch((error: unknown) => error);
  assert.ok(error instanceof Overloaded && !error.retryable);
});

test("a code that this version does not know is a refusal", () => {
  const error = toRefusal({ code: "constructor", message: "New." });
  assert.deepEqual([error.constructor, error.code, error.retryable], [Refusal, "constructor", false]);
});

test("an error that is not The Tear's says so", async () => {
  const { client } = await serve((reply) => void reply.writeHead(502).end("<html>Bad Gateway</html>"));
  const error = await client.models().catch((error: unknown) => error);
  assert.ok(error instanceof UnreadableReply && error.retryable && error.status === 502);
});

test("a page where a stream should be is unreadable", async () => {
  const { client } = await serve((reply) => void reply.writeHead(200, { "content-type": "text/html" }).end("<p>Hi"));
  await assert.rejects(all(client.stream(ASKED)), UnreadableReply);
});

test("an address where nobody answers is named", async () => {
  const { url, client } = await serve(() => undefined);
  await new Promise((resolve) => server?.close(resolve));
  await assert.rejects(client.models(), (error) => error instanceof ServerUnreachable && error.message.includes(url));
});

test("a key that no header can carry is refused here", async () => {
  await assert.rejects(new TearClient({ apiKey: "sésame" }).models(), InvalidKey);
});

test("models, witness, outcome and version go where they belong", async () => {
  const { client, asked } = await serve((reply) => reply.end('{"data":[]}'));
  await client.models();
  await client.witness({ items: [{ ...ASKED, answer: "No." }] });
  await client.reportOutcome("refl-1/../x", { text: "She plays.", weight: 2 });
  await client.version();
  assert.deepEqual(asked.map(({ request }) => `${request.method} ${request.url}`), [
    "GET /v1/models",
    "POST /v1/witness",
    "POST /v1/reflections/refl-1%2F..%2Fx/outcome",
    "GET /version",
  ]);
});

test("what is not there is told as such", async () => {
  const { client } = await serve(refuse(404, "journal_off"));
  await assert.rejects(client.reportOutcome("refl-1", { text: "x" }), NotFound);
});

function withResolvers() {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
