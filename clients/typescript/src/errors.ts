/**
 * What can go wrong, by the `code` of the API's error object.
 *
 * TearError
 * ├── ServerUnreachable   nobody answers at that address
 * ├── UnreadableReply     what answered does not speak this protocol
 * ├── StreamCut           the stream ended before the reflection was whole
 * └── Refusal             the server said no, or gave up; `code`, `status` and `param` are its own
 *     ├── InvalidRequest, ContextOverflow, InvalidKey, NotFound, Conflict, RequestTimeout, RequestTooLarge
 *     ├── RateLimited, Overloaded, Stopping
 *     └── EngineFailed, JournalFailed
 */

export interface ErrorFacts {
  code: string;
  message: string;
  /** The request field at fault. */
  param?: string | null;
  /** Null for an error that came after the first byte of a stream. */
  status?: number | null;
  retryable?: boolean;
  /** How long the server asks to wait. */
  retryAfterMs?: number | null;
  requestId?: string | null;
  cause?: unknown;
}

export class TearError extends Error {
  readonly code: string;
  readonly param: string | null;
  readonly status: number | null;
  readonly retryable: boolean;
  readonly retryAfterMs: number | null;
  readonly requestId: string | null;

  constructor(facts: ErrorFacts) {
    super(facts.message, { cause: facts.cause });
    this.name = new.target.name;
    this.code = facts.code;
    this.param = facts.param ?? null;
    this.status = facts.status ?? null;
    this.retryable = facts.retryable ?? false;
    this.retryAfterMs = facts.retryAfterMs ?? null;
    this.requestId = facts.requestId ?? null;
  }
}

export class ServerUnreachable extends TearError {}
export class UnreadableReply extends TearError {}
export class StreamCut extends TearError {}

export class Refusal extends TearError {}
export class InvalidRequest extends Refusal {}
export class ContextOverflow extends Refusal {}
export class InvalidKey extends Refusal {}
export class NotFound extends Refusal {}
export class Conflict extends Refusal {}
export class RequestTimeout extends Refusal {}
export class RequestTooLarge extends Refusal {}
export class RateLimited extends Refusal {}
export class Overloaded extends Refusal {}
export class Stopping extends Refusal {}
export class EngineFailed extends Refusal {}
export class JournalFailed extends Refusal {}

/** Every code of the server, and whether asking again may help: as docs/api.md has them. */
const KINDS: Readonly<Record<string, readonly [new (facts: ErrorFacts) => Refusal, boolean]>> = {
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
  journal_failed: [JournalFailed, true],
};

/** The error of a code; one that this version does not know is a plain `Refusal`. */
export function toRefusal(facts: ErrorFacts): Refusal {
  const [Kind, retryable] = (Object.hasOwn(KINDS, facts.code) && KINDS[facts.code]) || [Refusal, false];
  return new Kind({ ...facts, retryable: facts.retryable ?? retryable });
}

/** The error that a reply with an error status tells. */
export async function readRefusal(reply: Response): Promise<TearError> {
  const requestId = reply.headers.get("x-request-id");
  const told = await reply.json().then(asTold, () => null);
  if (told === null) {
    const message = `The reply has status ${reply.status} and is not The Tear's. Is it The Tear that answers there?`;
    const retryable = reply.status >= 502 && reply.status <= 504;
    return new UnreadableReply({ code: "unreadable_reply", message, status: reply.status, retryable, requestId });
  }
  const retryAfterMs = readWait(reply.headers);
  const advice = reply.headers.get("x-should-retry");
  const facts: ErrorFacts = { ...told, status: reply.status, retryAfterMs, requestId };
  return toRefusal(advice === null ? facts : { ...facts, retryable: advice === "true" });
}

function asTold(body: unknown): { code: string; message: string; param: string | null } | null {
  const error = (body as { error?: Record<string, unknown> } | null)?.error;
  if (typeof error?.["message"] !== "string" || typeof error["code"] !== "string") return null;
  return { code: error["code"], message: error["message"], param: (error["param"] as string | null) ?? null };
}

function readWait(headers: Headers): number | null {
  for (const [name, unitMs] of [["retry-after-ms", 1], ["retry-after", 1000]] as const) {
    const given = headers.get(name);
    if (given !== null && Number.isFinite(Number(given))) return Math.max(0, Number(given) * unitMs);
  }
  return null;
}
