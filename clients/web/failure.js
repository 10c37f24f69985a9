// What went wrong, told with what was kept and what to do.

import { button, element, words } from "./element.js";
import { InvalidKey, RateLimited, Refusal, ServerUnreachable, StreamCut } from "./tear-client.js";

const TITLES = [
  [ServerUnreachable, "The server is away."],
  [InvalidKey, "The server asks for an API key."],
  [RateLimited, "This key has asked often enough for now."],
  [StreamCut, "The answer broke off."],
  [Refusal, "The server said no."],
];

/** A notice of an error, with what a person can do: `onAgain` where asking again may help, `onKey` for the key. */
export function failureNotice(error, { onAgain, onKey, kept = null }) {
  const isKey = error instanceof InvalidKey;
  const actions = element("p", { class: "actions" });
  if (isKey) actions.append(button("Enter a key", onKey));
  if (isKey || error.retryable !== false) actions.append(button("Ask again", onAgain));
  const id = error.requestId ? element("p", { class: "note" }, `Request ${error.requestId}`) : null;
  const told = element("p", {}, element("strong", {}, titleOf(error)), " ", words("span", error.message));
  const said = element("div", { role: "alert" }, told, kept === null ? null : element("p", {}, kept));
  return element("div", { class: "notice failure" }, said, actions, id);
}

/** That it was stopped by hand. */
export function stoppedNotice(kept, onAgain) {
  const actions = element("p", { class: "actions" }, button("Ask again", onAgain));
  return element("div", { class: "notice" }, element("p", { role: "status" }, kept), actions);
}

/** A notice that counts down to the next try; `over` is settled then. An abort rejects it. */
export function countdown(error, signal, onStop) {
  const left = element("span", { role: "timer" });
  const over = new Promise((resolve, reject) => {
    const end = performance.now() + error.retryAfterMs;
    const tick = () => {
      const remaining = end - performance.now();
      left.textContent = `Asking again in ${Math.max(1, Math.ceil(remaining / 1000))} s.`;
      if (remaining <= 0) finish(resolve);
    };
    const clock = setInterval(tick, 200);
    const onAbort = () => finish(() => reject(signal.reason));
    const finish = (settle) => {
      clearInterval(clock);
      signal.removeEventListener("abort", onAbort);
      settle();
    };
    signal.addEventListener("abort", onAbort);
    tick();
  });
  const told = element("p", {}, element("strong", {}, titleOf(error)), " ", words("span", error.message));
  const actions = element("p", { class: "actions" }, left, " ", button("Do not ask again", onStop));
  return { node: element("div", { class: "notice" }, element("div", { role: "alert" }, told), actions), over };
}

function titleOf(error) {
  if (error.code === "overloaded") return "The server has as much to do as it takes on.";
  return TITLES.find(([kind]) => error instanceof kind)?.[1] ?? "Something went wrong.";
}
