// The view `witness`: a situation and answers by whomever; what each of them would do.

import { button, element, words } from "./element.js";
import { failureNotice, stoppedNotice } from "./failure.js";
import { shortfall } from "./figures.js";
import { askPatiently } from "./patience.js";
import { SceneCard } from "./scene.js";

const MOST_ANSWERS = 64;

/** The view; it asks for the answers' scenes all at once. */
export class WitnessView {
  #controller = null;
  #count = 0;

  constructor(client, settings, { announce }) {
    this.client = client;
    this.settings = settings;
    this.announce = announce;
    this.situation = document.getElementById("situation");
    this.answers = document.getElementById("answers");
    this.adder = document.getElementById("add-answer");
    this.send = document.getElementById("witness-send");
    this.stopper = document.getElementById("witness-stop");
    this.notice = document.getElementById("witness-notice");
    this.scenes = document.getElementById("scenes");

    document.getElementById("witness-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
    this.adder.addEventListener("click", () => this.#add().focus());
    this.stopper.addEventListener("click", () => this.stop());
    this.#add();
  }

  /** Ask for the scenes of all answers that are written. */
  async ask() {
    const situation = this.situation.value.trim();
    const answers = [...this.answers.querySelectorAll("textarea")].map((area) => area.value.trim()).filter(Boolean);
    if (this.#controller !== null) return;
    if (situation === "" || answers.length === 0) {
      this.notice.replaceChildren(element("p", { class: "notice", role: "alert" }, "Write a situation and an answer."));
      return;
    }
    const controller = new AbortController();
    this.#work(controller);
    this.notice.replaceChildren(element("p", { class: "note writing", role: "status" }, "Looking at what follows"));
    this.scenes.replaceChildren();
    const messages = [...this.settings.begin(), { role: "user", content: situation }];
    const request = {
      items: answers.map((answer) => ({ messages, answer })),
      ...this.settings.sampling(),
      ...this.settings.reflective(),
    };
    try {
      const asked = () => this.client.witness(request, { signal: controller.signal });
      const reply = await askPatiently(asked, { controller, place: this.notice });
      this.notice.replaceChildren();
      this.scenes.replaceChildren(...reply.data.map((found) => witnessed(answers[found.index], found)));
      this.announce(`${reply.data.length === 1 ? "The scene is" : "The scenes are"} there.`);
    } catch (error) {
      this.notice.replaceChildren(this.#explain(error, controller.signal));
    } finally {
      this.#work(null);
    }
  }

  /** Stop what is at work. */
  stop() {
    this.#controller?.abort();
  }

  #explain(error, signal) {
    const onAgain = () => this.ask();
    if (signal.aborted) return stoppedNotice("Stopped. Your texts are still there.", onAgain);
    return failureNotice(error, { onAgain, onKey: () => this.settings.open("key") });
  }

  #add() {
    const id = `answer-${(this.#count += 1)}`;
    const area = element("textarea", { id, rows: 2, dir: "auto", autocomplete: "off" });
    const item = element("li");
    const remove = () => {
      const neighbour = item.nextElementSibling ?? item.previousElementSibling;
      item.remove();
      this.#number();
      neighbour?.querySelector("textarea").focus();
    };
    const head = element("div", { class: "tools" }, element("label", { for: id }), element("span", { class: "gap" }));
    head.append(button("Remove", remove));
    item.append(head, area);
    this.answers.append(item);
    this.#number();
    return area;
  }

  #number() {
    const items = [...this.answers.children];
    for (const [index, item] of items.entries()) {
      const label = items.length === 1 ? "Answer" : `Answer ${index + 1}`;
      item.querySelector("label").textContent = label;
      const remove = item.querySelector("button");
      remove.hidden = items.length === 1;
      remove.setAttribute("aria-label", `Remove ${label.toLowerCase()}`);
    }
    this.adder.disabled = items.length === MOST_ANSWERS;
  }

  #work(controller) {
    this.#controller = controller;
    const hadFocus = [this.send, this.stopper].includes(document.activeElement);
    this.send.hidden = controller !== null;
    this.stopper.hidden = controller === null;
    if (hadFocus) (controller === null ? this.send : this.stopper).focus();
  }
}

function witnessed(answer, found) {
  const card = new SceneCard();
  const { witness: scene } = found;
  card.write({ who: scene.who ?? "", impact: scene.impact ?? "", ripples: scene.ripples ?? "" }, false);
  card.judge({ ...found, scene }, true);
  const fault = shortfall(found);
  return element(
    "article",
    { class: "witnessed" },
    element("h3", { class: "unseen" }, `Answer ${found.index + 1}`),
    words("blockquote", answer),
    card.node,
    fault === null ? null : element("p", { class: "note fault" }, fault),
  );
}
