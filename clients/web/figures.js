// Figures and findings of a reflection in words, the same in every view.

/** A weight with its sign and a true minus; nothing is neither above nor below zero. */
export function signed(value, digits = 0) {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return (value < 0 ? "−" : "+") + text;
}

/** What a weight does. */
export function effect(weight) {
  if (weight === 0) return "leaves no trace";
  return weight > 0 ? "opens" : "closes";
}

/** The weight in a sentence, for who cannot see the scale. */
export function weightSentence(weight, expected) {
  const likely = expected === null ? "" : ` The model expected ${signed(expected, 1)}.`;
  return `Weight ${signed(weight)} on a scale from −3 to +3: ${effect(weight)}.${likely}`;
}

/** What was decided, and how likely revising was; null where nothing was decided. */
export function decisionWords(decision, probability) {
  if (decision === null || probability === null) return decision;
  return `${decision} (revise probability ${probability.toFixed(2)})`;
}

/** What a reflection took, in one line. */
export function summary(reflection) {
  const tokens = reflection.stages.reduce((sum, stage) => sum + stage.tokens, 0);
  const seconds = reflection.stages.reduce((sum, stage) => sum + stage.seconds, 0);
  const outcome = reflection.outcome === "bypassed" ? "answered directly" : reflection.outcome;
  return `${outcome} · ${reflection.model} · ${tokens} tokens · ${seconds.toFixed(1)} s`;
}

/** What was wrong, null when nothing was. */
export function shortfall(reflection) {
  const found = reflection.problems.map((problem) => problem.replaceAll("_", " "));
  if (reflection.answer_cut) found.push("the answer was cut");
  return found.length === 0 ? null : `What went wrong: ${found.join(", ")}.`;
}
