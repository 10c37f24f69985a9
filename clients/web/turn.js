// One turn of a conversation: what the person said, and the chain that answers as far as it has come.

import { diff } from "./diff.js";
import { button, element, words } from "./element.js";
import { failureNotice, stoppedNotice } from "./failure.js";
import { shortfall, summary } from "./figures.js";
import { outcomeForm } from "./outcome.js";
import { Progress } from "./progress.js";
import { SceneCard, show } from "./scene.js";

const COPIED_MS = 2000;

/** A turn on the page; `owner` is asked for what leads out of it: `again`, `enterKey`, `report`. */
export class Turn {
  progress = new Progress();
  place = element("div", { class: "place" });
  #draft = station("Draft");
  #draftText = words("p");
  #draftNote = element("p", { class: "note", hidden: true }, "Kept, word for word. It is the answer below.");
  #witness = station("Witness");
  #scene = new SceneCard();
  #answer = station("Answer");
  #answerText = words("p");
  #foot = element("div", { class: "foot" });

  constructor(said, owner) {
    this.said = said;
    this.owner = owner;
    this.#draft.append(this.#draftText, this.#draftNote);
    this.#witness.append(this.#scene.node);
    this.#answer.classList.add("answer");
    this.#answer.append(this.#answerText, this.#foot);
    this.node = element(
      "article",
      { class: "turn" },
      element("div", { class: "said" }, element("h3", { class: "unseen" }, "You"), words("p", said)),
      element("ol", { class: "chain", "aria-label": "Draft, witness and answer" }, this.#draft, this.#witness, this.#answer),
      this.place,
    );
  }

  /** Begin, or begin again, with nothing; `isDirect` says that the draft will be the answer. */
  begin(isDirect) {
    this.progress = new Progress();
    this.isDirect = isDirect;
    this.#scene.node.remove();
    this.#scene = new SceneCard();
    this.#witness.append(this.#scene.node);
    this.#foot.replaceChildren();
    this.place.replaceChildren();
    this.node.setAttribute("aria-busy", "true");
    this.node.classList.remove("broken");
    this.render();
  }

  /** The answer once it is whole, else null. */
  get answer() {
    return this.progress.reflection?.answer ?? null;
  }

  /** Show all that is known. */
  render() {
    const { stage, draft, told, revised, witnessed, reflection } = this.progress;
    const isBypassed = reflection === null ? this.isDirect : reflection.status === "bypassed";
    const stands = reflection === null ? witnessed?.decision === "keep" : reflection.answer_stage === "draft";

    this.#draft.hidden = isBypassed || (draft === "" && stage !== "draft");
    this.#draft.classList.toggle("withdrawn", witnessed?.decision === "revise" && !stands);
    show(this.#draftText, draft);
    this.#draftText.hidden = stands;
    this.#draftNote.hidden = !stands;
    this.#draftText.classList.toggle("writing", stage === "draft");

    this.#witness.hidden = isBypassed || !(stage === "witness" || witnessed || Object.values(told).some(Boolean));
    this.#scene.write(told, stage === "witness" && witnessed === null);
    this.#witness.classList.toggle("waiting", stage === "witness" && !Object.values(told).some(Boolean));

    const answer = reflection?.answer ?? (isBypassed || stands ? draft : revised);
    const isWritten = stage === (isBypassed ? "draft" : "revised");
    this.#answer.hidden = answer === "" && !isWritten;
    show(this.#answerText, answer);
    this.#answerText.classList.toggle("writing", isWritten);
  }

  /** Take one event of the chain. */
  take(event) {
    this.progress.take(event);
    if (event.type === "reflection.witnessed") this.#scene.judge(event);
  }

  /** Show the end of a whole reflection. */
  complete() {
    const { reflection } = this.progress;
    this.#end();
    const copied = button("Copy", () => this.#copy(copied));
    const fault = shortfall(reflection);
    const parts = [
      element("p", { class: "took" }, element("span", { class: "note" }, summary(reflection)), copied),
      fault === null ? null : element("p", { class: "note fault" }, fault),
      reflection.answer_stage === "revised" && reflection.draft !== "" ? changes(reflection) : null,
      this.owner.report && reflection.status !== "bypassed"
        ? outcomeForm((text, weight) => this.owner.report(reflection.id, text, weight))
        : null,
    ];
    this.#foot.replaceChildren(...parts.filter((part) => part !== null));
  }

  /** Show that it was stopped: what had come stays. */
  stop() {
    this.#breakOff();
    const kept = this.progress.isEmpty ? "Stopped before a word had come." : "Stopped. What had come stays here.";
    this.place.replaceChildren(stoppedNotice(`${kept} It is not remembered.`, () => this.owner.again(this)));
  }

  /** Show what went wrong: what had come stays. */
  fail(error) {
    this.#breakOff();
    const kept = this.progress.isEmpty ? null : "What had come stays here, and is not remembered.";
    const onAgain = () => this.owner.again(this);
    this.place.replaceChildren(failureNotice(error, { kept, onAgain, onKey: () => this.owner.enterKey() }));
  }

  #breakOff() {
    this.progress.stage = null;
    this.#end();
    this.node.classList.add("broken");
  }

  #end() {
    this.render();
    this.node.removeAttribute("aria-busy");
    this.#witness.classList.remove("waiting");
  }

  async #copy(pressed) {
    try {
      await navigator.clipboard.writeText(this.answer);
      pressed.textContent = "Copied";
    } catch {
      // A page that did not come over HTTPS may not write there; the person's own keys may.
      getSelection().selectAllChildren(this.#answerText);
      pressed.textContent = "Selected: copy it with your keyboard";
    }
    setTimeout(() => (pressed.textContent = "Copy"), COPIED_MS);
  }
}

function station(title) {
  return element("li", { class: "station", hidden: true }, element("h3", {}, title));
}

function changes({ draft, answer }) {
  if (draft === answer) return element("p", { class: "note" }, "Said again in the same words.");
  const tags = { same: "span", out: "del", in: "ins" };
  const parts = diff(draft, answer).map(({ kind, text }) => element(tags[kind], {}, text));
  const compared = words("p", "", "words compared");
  compared.append(...parts);
  const key = element("p", { class: "note" }, element("del", {}, "taken out"), " · ", element("ins", {}, "new"));
  return element("details", { class: "more" }, element("summary", {}, "What changed from the draft"), compared, key);
}
