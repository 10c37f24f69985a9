// Asking again where the server says when.

import { countdown } from "./failure.js";

const MOST_TRIES = 5;

/** What `task` brings; where the server named a time, it is waited for in `place` and asked again. */
export async function askPatiently(task, { controller, place }) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await task();
    } catch (error) {
      const isTimed = error.retryable && typeof error.retryAfterMs === "number";
      if (controller.signal.aborted || !isTimed || tries === MOST_TRIES) throw error;
      const wait = countdown(error, controller.signal, () => controller.abort());
      place.replaceChildren(wait.node);
      await wait.over;
      place.replaceChildren();
    }
  }
}
