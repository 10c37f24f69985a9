/** The words of the API as it writes them in JSON; docs/api.md says what each means. */

export type Role = "system" | "developer" | "user" | "assistant";
export type Stage = "draft" | "witness" | "revised";
export type Field = "who" | "impact" | "ripples";
export type Decision = "keep" | "revise";
export type Status = "complete" | "malformed" | "truncated" | "bypassed";
export type Outcome = "kept" | "revised" | "formatted" | "witnessed" | "bypassed" | "truncated" | "malformed";

export interface Message {
  role: Role;
  content: string;
}

/** The foreseen consequence of an answer; a part that the model left out is null. */
export interface Scene {
  who: string | null;
  impact: string | null;
  ripples: string | null;
  /** -3 closes the person … +3 opens them. */
  weight: number | null;
}

export interface StageReport {
  stage: Stage;
  tokens: number;
  prompt_tokens: number;
  cached_tokens: number;
  first_token_seconds: number | null;
  seconds: number;
  finish: "stop" | "length" | "deadline" | "supplied";
}

/** What the model made of an answer: the scene, and whether it would say it again. */
export interface Verdict {
  expected_weight: number | null;
  decision: Decision | null;
  revise_probability: number | null;
}

/** One run of the chain. */
export interface Reflection extends Verdict {
  id: string;
  model: string;
  adapter: string | null;
  status: Status;
  outcome: Outcome;
  problems: string[];
  draft: string;
  witness: Scene | null;
  answer: string;
  answer_cut: boolean;
  answer_stage: Stage | null;
  stages: StageReport[];
}

export interface Witnessed extends Verdict {
  index: number;
  object: "witness";
  status: Status;
  problems: string[];
  witness: Scene;
}

/** The reply of `POST /v1/witness`: an entry for each item, in their order. */
export interface WitnessReply {
  id: string;
  object: "list";
  model: string;
  adapter: string | null;
  data: Witnessed[];
}

export interface Model {
  id: string;
  object: "model";
  created: number;
  owned_by: string;
  root: string;
  max_model_len: number;
  /** Whether it reflects; its twin, `NAME-direct`, does not. */
  reflects: boolean;
  adapter: string | null;
  /** The adapter's consequence awareness score: 0 is chance, 1 perfect; null where it was not evaluated. */
  cas: number | null;
}

/** The reply of `GET /version`. */
export interface Version {
  version: string;
  format_version: number;
  base: { name: string; fingerprint: string };
  adapter: { name: string; metrics: Record<string, unknown> };
  /** Whether the server keeps a journal, to which outcomes can be reported. */
  journal: boolean;
}

export interface ReportedOutcome {
  id: string;
  object: "outcome";
  reported: string;
  text: string;
  weight: number | null;
}

/** How to sample; what is left out is the server's. */
export interface Sampling {
  model?: string;
  temperature?: number;
  top_p?: number;
  seed?: number;
  /** Revise from this probability on. */
  revise_threshold?: number;
  session_id?: string;
}

/** The body of `POST /v1/reflections`. */
export interface ReflectionRequest extends Sampling {
  messages: Message[];
  /** Witness this draft instead of one of the model's own. */
  draft?: string;
  max_completion_tokens?: number;
  max_draft_tokens?: number;
  max_witness_tokens?: number;
}

/** The body of `POST /v1/witness`; up to 64 items. */
export interface WitnessRequest extends Sampling {
  items: { messages: Message[]; answer: string }[];
}

/** What really came of an answer. */
export interface OutcomeReport {
  text: string;
  weight?: number;
}
