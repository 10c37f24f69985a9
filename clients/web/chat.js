// The talk: turns one after another, one of them at work at a time.

import { askPatiently } from "./patience.js";
import { Turn } from "./turn.js";

const NEAR_END_PX = 140;

/** The view `talk`; `settings` say how to ask, `report` is null where the server keeps no journal. */
export class Chat {
  #turns = [];
  #controller = null;
  #frame = null;

  constructor(client, settings, { announce }) {
    this.client = client;
    this.settings = settings;
    this.announce = announce;
    this.report = null;
    this.welcome = document.getElementById("welcome");
    this.list = document.getElementById("turns");
    this.form = document.getElementById("composer");
    this.message = document.getElementById("message");
    this.send = document.getElementById("send");
    this.stopper = document.getElementById("stop");
    this.renewal = document.getElementById("new-conversation");

    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.say(this.message.value);
    });
    this.message.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.say(this.message.value);
    });
    this.stopper.addEventListener("click", () => this.stop());
    this.renewal.addEventListener("click", () => this.renew());
    for (const opening of this.welcome.querySelectorAll("button")) {
      opening.addEventListener("click", () => this.say(opening.textContent));
    }
  }

  /** Say something, unless an answer is at work. */
  say(text) {
    if (this.#controller !== null || text.trim() === "") return;
    this.message.value = "";
    const turn = new Turn(text.trim(), this);
    this.#turns.push(turn);
    this.list.append(turn.node);
    this.welcome.hidden = true;
    this.renewal.hidden = false;
    this.message.focus();
    this.again(turn);
  }

  /** Ask a turn, for the first time or once more. */
  async again(turn) {
    if (this.#controller !== null) return;
    const controller = new AbortController();
    this.#work(controller);
    turn.begin(!this.settings.reflects);
    this.#toEnd();
    try {
      await askPatiently(() => this.#run(turn, controller.signal), { controller, place: turn.place });
      this.#follow(() => turn.complete());
      this.#tell(turn.progress.reflection);
    } catch (error) {
      this.#follow(() => (controller.signal.aborted ? turn.stop() : turn.fail(error)));
    } finally {
      if (this.#controller === controller) this.#work(null);
    }
  }

  /** Stop the turn at work. */
  stop() {
    this.#controller?.abort();
  }

  /** Begin a new conversation; what is at work is stopped. */
  renew() {
    this.stop();
    this.#work(null);
    this.#turns = [];
    this.list.replaceChildren();
    this.welcome.hidden = false;
    this.renewal.hidden = true;
    this.message.focus();
  }

  enterKey() {
    this.settings.open("key");
  }

  async #run(turn, signal) {
    const messages = this.settings.begin();
    for (const earlier of this.#turns.slice(0, this.#turns.indexOf(turn))) {
      if (earlier.answer === null) continue;
      messages.push({ role: "user", content: earlier.said }, { role: "assistant", content: earlier.answer });
    }
    messages.push({ role: "user", content: turn.said });
    for await (const event of this.client.stream({ messages, ...this.settings.sampling() }, { signal })) {
      turn.take(event);
      this.#draw(turn);
    }
  }

  /** Draw once a frame, however many words came in it. */
  #draw(turn) {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      this.#follow(() => turn.render());
    });
  }

  /** Change the page, and stay at its end if that is where the reader was. */
  #follow(change) {
    const root = document.documentElement;
    const wasNearEnd = root.scrollHeight - root.scrollTop - root.clientHeight < NEAR_END_PX;
    change();
    if (wasNearEnd) this.#toEnd();
  }

  #toEnd() {
    document.documentElement.scrollTop = document.documentElement.scrollHeight;
  }

  #tell({ answer, answer_stage: stage, status }) {
    const how = status === "bypassed" ? "" : stage === "revised" ? ", said again" : ", the draft as it was";
    this.announce(`Answer${how}: ${answer}`);
  }

  #work(controller) {
    this.#controller = controller;
    const hadFocus = [this.send, this.stopper].includes(document.activeElement);
    this.send.hidden = controller !== null;
    this.stopper.hidden = controller === null;
    if (hadFocus) this.message.focus();
  }
}
