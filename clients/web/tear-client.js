// src/errors.ts
var TearError = class extends Error {
  code;
  param;
  status;
  retryable;
  retryAfterMs;
  requestId;
  constructor(facts) {
    super(facts.message, { cause: facts.cause });
    this.name = new.target.name;
    this.code = facts.code;
    this.param = facts.param ?? null;
    this.status = facts.status ?? null;
    this.retryable = facts.retryable ?? false;
    this.retryAfterMs = facts.retryAfterMs ?? null;
    this.requestId = facts.requestId ?? null;
  }
};
var ServerUnreachable = class extends TearError {
};
var UnreadableReply = class extends TearError {
};
var StreamCut = class extends TearError {
};
var Refusal = class extends TearError {
};
var InvalidRequest = class extends Refusal {
};
var ContextOverflow = class extends Refusal {
};
var InvalidKey = class extends Refusal {
};
var NotFound = class extends Refusal {
};
var Conflict = class extends Refusal {
};
var RequestTimeout = class extends Refusal {
};
var RequestTooLarge = class extends Refusal {
};
var RateLimited = class extends Refusal {
};
var Overloaded = class extends Refusal {
};
var Stopping = class extends Refusal {
};
var EngineFailed = class extends Refusal {
};
var JournalFailed = class extends Refusal {
};
var KINDS = {
  invalid_request: [InvalidRequest, false],
  context_length_exceeded: [ContextOverflow, false],
  invalid_api_key: [InvalidKey, false],
  model_not_found: [NotFound, false],
  journal_off: [NotFound, false],
  reflection_not_found: [NotFound, false],
  adapters_off: [NotFound, false],
  not_found: [NotFound, false],
  method_not_allowed: [InvalidRequest, false],
  adapter_error: [InvalidRequest, false],
  adapter_mismatch: [InvalidRequest, false],
  adapter_conflict: [Conflict, false],
  adapter_busy: [Conflict, true],
  request_timeout: [RequestTimeout, true],
  request_too_large: [RequestTooLarge, false],
  rate_limit_exceeded: [RateLimited, true],
  engine_error: [EngineFailed, true],
  internal_error: [Refusal, false],
  overloaded: [Overloaded, true],
  stopping: [Stopping, true],
  engine_dead: [EngineFailed, true],
  engine_away: [EngineFailed, true],
  engine_unreachable: [EngineFailed, true],
  engine_late: [EngineFailed, true],
  journal_failed: [JournalFailed, true]
};
function toRefusal(facts) {
  const [Kind, retryable] = Object.hasOwn(KINDS, facts.code) && KINDS[facts.code] || [Refusal, false];
  return new Kind({ ...facts, retryable: facts.retryable ?? retryable });
}
async function readRefusal(reply) {
  const requestId = reply.headers.get("x-request-id");
  const told = await reply.json().then(asTold, () => null);
  if (told === null) {
    const message = `The reply has status ${reply.status} and is not The Tear's. Is it The Tear that answers there?`;
    const retryable = reply.status >= 502 && reply.status <= 504;
    return new UnreadableReply({ code: "unreadable_reply", message, status: reply.status, retryable, requestId });
  }
  const retryAfterMs = readWait(reply.headers);
  const advice = reply.headers.get("x-should-retry");
  const facts = { ...told, status: reply.status, retryAfterMs, requestId };
  return toRefusal(advice === null ? facts : { ...facts, retryable: advice === "true" });
}
function asTold(body) {
  const error = body?.error;
  if (typeof error?.["message"] !== "string" || typeof error["code"] !== "string") return null;
  return { code: error["code"], message: error["message"], param: error["param"] ?? null };
}
function readWait(headers) {
  for (const [name, unitMs] of [["retry-after-ms", 1], ["retry-after", 1e3]]) {
    const given = headers.get(name);
    if (given !== null && Number.isFinite(Number(given))) return Math.max(0, Number(given) * unitMs);
  }
  return null;
}

// src/events.ts
var NAMES = /* @__PURE__ */ new Set([
  "stage.started",
  "text.delta",
  "stage.completed",
  "reflection.witnessed",
  "reflection.completed"
]);
function readEvent(name, data) {
  return NAMES.has(name) ? { ...JSON.parse(data), type: name } : null;
}

// src/sse.ts
var EventDecoder = class {
  // Not fatal: a byte that is no UTF-8 becomes U+FFFD; a byte order mark at the beginning is left out.
  #text = new TextDecoder();
  #line = "";
  #name = "";
  #data = [];
  #endedWithCr = false;
  push(bytes) {
    const found = [];
    let text = this.#text.decode(bytes, { stream: true });
    if (text === "") return found;
    if (this.#endedWithCr && text.startsWith("\n")) text = text.slice(1);
    this.#endedWithCr = text === "" ? false : text.endsWith("\r");
    const lines = text.split(/\r\n|\r|\n/);
    lines[0] = this.#line + lines[0];
    this.#line = lines.pop() ?? "";
    for (const line of lines) {
      const event = this.#take(line);
      if (event !== null) found.push(event);
    }
    return found;
  }
  #take(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "event") this.#name = value;
    if (field === "data") this.#data.push(value);
    return null;
  }
  #dispatch() {
    const event = this.#data.length === 0 ? null : { name: this.#name || "message", data: this.#data.join("\n") };
    this.#name = "";
    this.#data = [];
    return event;
  }
};

// src/client.ts
var TearClient = class {
  url;
  apiKey;
  #fetch;
  constructor(options = {}) {
    this.url = (options.url ?? globalThis.location?.origin ?? "http://127.0.0.1:8000").replace(/\/+$/, "");
    this.apiKey = options.apiKey ?? null;
    this.#fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  }
  /** The whole chain as one object. */
  reflect(request, options = {}) {
    return this.#json("/v1/reflections", options, request);
  }
  /**
   * The chain while it runs. The last event is `reflection.completed`; whatever else ends the stream is thrown:
   * the server's own error, or `StreamCut`. Leaving the loop ends the server's work.
   */
  async *stream(request, options = {}) {
    const reply = await this.#ask("/v1/reflections", options, { ...request, stream: true });
    if (!reply.body || !reply.headers.get("content-type")?.startsWith("text/event-stream")) {
      await reply.body?.cancel();
      throw unreadable("The reply is not a stream of events. Is it The Tear that answers there?");
    }
    const reader = reply.body.getReader();
    const decoder = new EventDecoder();
    try {
      for (; ; ) {
        const { value, done } = await reader.read().catch((cause) => {
          options.signal?.throwIfAborted();
          throw cut(cause);
        });
        if (done) throw cut();
        for (const { name, data } of decoder.push(value)) {
          if (name === "reflection.failed") throw toRefusal(parse(data));
          const event = parse(data, name);
          if (event === null) continue;
          yield event;
          if (event.type === "reflection.completed") return;
        }
      }
    } finally {
      await reader.cancel().catch(() => void 0);
    }
  }
  /** What answers by whomever would do. */
  witness(request, options = {}) {
    return this.#json("/v1/witness", options, request);
  }
  /** The names served, reflective ones and their direct twins. */
  async models(options = {}) {
    return (await this.#json("/v1/models", options)).data;
  }
  /** Report what really came of an answer; a later report replaces an earlier one. */
  reportOutcome(reflectionId, report, options = {}) {
    return this.#json(`/v1/reflections/${encodeURIComponent(reflectionId)}/outcome`, options, report);
  }
  /** Server, chain format, base and adapter; asks for no key. */
  version(options = {}) {
    return this.#json("/version", options);
  }
  async #json(path, options, body) {
    const reply = await this.#ask(path, options, body);
    const text = await reply.text().catch((cause) => {
      options.signal?.throwIfAborted();
      throw cut(cause);
    });
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw unreadable("The reply is not JSON. Is it The Tear that answers there?", cause);
    }
  }
  async #ask(path, options, body) {
    const headers = {};
    if (body) headers["content-type"] = "application/json";
    if (this.apiKey) headers["authorization"] = bearer(this.apiKey);
    const init = { method: body ? "POST" : "GET", headers };
    if (body) init.body = JSON.stringify(body);
    if (options.signal) init.signal = options.signal;
    const reply = await this.#fetch(this.url + path, init).catch((cause) => {
      options.signal?.throwIfAborted();
      const message = `No server answers at ${this.url}. Is it running?`;
      throw new ServerUnreachable({ code: "server_unreachable", message, retryable: true, cause });
    });
    if (!reply.ok) throw await readRefusal(reply);
    return reply;
  }
};
function bearer(key) {
  if (/^[\x21-\x7e]+$/.test(key)) return `Bearer ${key}`;
  throw new InvalidKey({ code: "invalid_api_key", message: "That is no API key: it has a sign that no key has." });
}
function parse(data, name) {
  try {
    return name === void 0 ? JSON.parse(data) : readEvent(name, data);
  } catch (cause) {
    throw unreadable("The stream has an event that is not JSON.", cause);
  }
}
function cut(cause) {
  const message = "The reply broke off before it was whole.";
  return new StreamCut({ code: "stream_cut", message, retryable: true, cause });
}
function unreadable(message, cause) {
  return new UnreadableReply({ code: "unreadable_reply", message, cause });
}
export {
  Conflict,
  ContextOverflow,
  EngineFailed,
  EventDecoder,
  InvalidKey,
  InvalidRequest,
  JournalFailed,
  NotFound,
  Overloaded,
  RateLimited,
  Refusal,
  RequestTimeout,
  RequestTooLarge,
  ServerUnreachable,
  Stopping,
  StreamCut,
  TearClient,
  TearError,
  UnreadableReply,
  readEvent,
  readRefusal,
  toRefusal
};
