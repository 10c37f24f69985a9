/** A client of one server. It asks once: when to ask again is told by the errors and settled by the caller. */

import { InvalidKey, ServerUnreachable, StreamCut, TearError, UnreadableReply, readRefusal, toRefusal } from "./errors.js";
import { type ReflectionEvent, readEvent } from "./events.js";
import { EventDecoder } from "./sse.js";
import type {
  Model,
  OutcomeReport,
  Reflection,
  ReflectionRequest,
  ReportedOutcome,
  Version,
  WitnessReply,
  WitnessRequest,
} from "./words.js";

export interface ClientOptions {
  /** Where the server is, without `/v1`; in a browser the page's own origin is the default. */
  url?: string;
  apiKey?: string | null;
  fetch?: typeof fetch;
}

export interface CallOptions {
  /** Ends the call; its promise is then rejected with the signal's reason, and the server stops its work. */
  signal?: AbortSignal;
}

/**
 * ```ts
 * const tear = new TearClient({ url: "http://127.0.0.1:8000" });
 * for await (const event of tear.stream({ messages: [{ role: "user", content: "Am I any good?" }] })) {
 *   if (event.type === "reflection.completed") console.log(event.reflection.answer);
 * }
 * ```
 */
export class TearClient {
  readonly url: string;
  apiKey: string | null;
  readonly #fetch: typeof fetch;

  constructor(options: ClientOptions = {}) {
    this.url = (options.url ?? globalThis.location?.origin ?? "http://127.0.0.1:8000").replace(/\/+$/, "");
    this.apiKey = options.apiKey ?? null;
    // Bound: a browser refuses to call its own as a method of something else.
    this.#fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  }

  /** The whole chain as one object. */
  reflect(request: ReflectionRequest, options: CallOptions = {}): Promise<Reflection> {
    return this.#json("/v1/reflections", options, request);
  }

  /**
   * The chain while it runs. The last event is `reflection.completed`; whatever else ends the stream is thrown:
   * the server's own error, or `StreamCut`. Leaving the loop ends the server's work.
   */
  async *stream(request: ReflectionRequest, options: CallOptions = {}): AsyncGenerator<ReflectionEvent, void, void> {
    const reply = await this.#ask("/v1/reflections", options, { ...request, stream: true });
    if (!reply.body || !reply.headers.get("content-type")?.startsWith("text/event-stream")) {
      await reply.body?.cancel();
      throw unreadable("The reply is not a stream of events. Is it The Tear that answers there?");
    }
    const reader = reply.body.getReader();
    const decoder = new EventDecoder();
    try {
      for (;;) {
        const { value, done } = await reader.read().catch((cause: unknown) => {
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
      await reader.cancel().catch(() => undefined);
    }
  }

  /** What answers by whomever would do. */
  witness(request: WitnessRequest, options: CallOptions = {}): Promise<WitnessReply> {
    return this.#json("/v1/witness", options, request);
  }

  /** The names served, reflective ones and their direct twins. */
  async models(options: CallOptions = {}): Promise<Model[]> {
    return (await this.#json<{ data: Model[] }>("/v1/models", options)).data;
  }

  /** Report what really came of an answer; a later report replaces an earlier one. */
  reportOutcome(reflectionId: string, report: OutcomeReport, options: CallOptions = {}): Promise<ReportedOutcome> {
    return this.#json(`/v1/reflections/${encodeURIComponent(reflectionId)}/outcome`, options, report);
  }

  /** Server, chain format, base and adapter; asks for no key. */
  version(options: CallOptions = {}): Promise<Version> {
    return this.#json("/version", options);
  }

  async #json<Reply>(path: string, options: CallOptions, body?: object): Promise<Reply> {
    const reply = await this.#ask(path, options, body);
    const text = await reply.text().catch((cause: unknown) => {
      options.signal?.throwIfAborted();
      throw cut(cause);
    });
    try {
      return JSON.parse(text) as Reply;
    } catch (cause) {
      throw unreadable("The reply is not JSON. Is it The Tear that answers there?", cause);
    }
  }

  async #ask(path: string, options: CallOptions, body?: object): Promise<Response> {
    const headers: Record<string, string> = {};
    if (body) headers["content-type"] = "application/json";
    if (this.apiKey) headers["authorization"] = bearer(this.apiKey);
    const init: RequestInit = { method: body ? "POST" : "GET", headers };
    if (body) init.body = JSON.stringify(body);
    if (options.signal) init.signal = options.signal;
    const reply = await this.#fetch(this.url + path, init).catch((cause: unknown) => {
      options.signal?.throwIfAborted();
      const message = `No server answers at ${this.url}. Is it running?`;
      throw new ServerUnreachable({ code: "server_unreachable", message, retryable: true, cause });
    });
    if (!reply.ok) throw await readRefusal(reply);
    return reply;
  }
}

function bearer(key: string): string {
  if (/^[\x21-\x7e]+$/.test(key)) return `Bearer ${key}`;
  // Said here, since a header cannot carry it and the server would never see it.
  throw new InvalidKey({ code: "invalid_api_key", message: "That is no API key: it has a sign that no key has." });
}

function parse(data: string): { code: string; message: string };
function parse(data: string, name: string): ReflectionEvent | null;
function parse(data: string, name?: string): unknown {
  try {
    return name === undefined ? JSON.parse(data) : readEvent(name, data);
  } catch (cause) {
    throw unreadable("The stream has an event that is not JSON.", cause);
  }
}

function cut(cause?: unknown): TearError {
  const message = "The reply broke off before it was whole.";
  return new StreamCut({ code: "stream_cut", message, retryable: true, cause });
}

function unreadable(message: string, cause?: unknown): TearError {
  return new UnreadableReply({ code: "unreadable_reply", message, cause });
}
