/** The events of a streamed reflection, each with the name that it has on the wire as its `type`. */

import type { Field, Reflection, Scene, Stage, StageReport, Verdict } from "./words.js";

export interface StageStarted {
  type: "stage.started";
  stage: Stage;
}

export interface TextDelta {
  type: "text.delta";
  stage: Stage;
  /** The part of the scene; null outside the witness. */
  field: Field | null;
  text: string;
  /** What the stage has written so far. */
  tokens: number;
}

export interface StageCompleted {
  type: "stage.completed";
  report: StageReport;
  text: string;
}

export interface ReflectionWitnessed extends Verdict {
  type: "reflection.witnessed";
  scene: Scene;
}

export interface ReflectionCompleted {
  type: "reflection.completed";
  reflection: Reflection;
}

/** `reflection.failed` is no event here: `stream()` throws the error that it tells. */
export type ReflectionEvent = StageStarted | TextDelta | StageCompleted | ReflectionWitnessed | ReflectionCompleted;

const NAMES: ReadonlySet<string> = new Set<ReflectionEvent["type"]>([
  "stage.started",
  "text.delta",
  "stage.completed",
  "reflection.witnessed",
  "reflection.completed",
]);

/** The event of that name; null for one that this version does not know. Throws `SyntaxError` where it is no JSON. */
export function readEvent(name: string, data: string): ReflectionEvent | null {
  return NAMES.has(name) ? ({ ...JSON.parse(data), type: name } as ReflectionEvent) : null;
}
