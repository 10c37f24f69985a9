// A scene as a card: who receives the answer, what it does to them, what ripples from it, how heavy it lands.

import { element, words } from "./element.js";
import { decisionWords, effect, signed } from "./figures.js";
import { expectedKey, weightScale } from "./scale.js";

const FIELDS = [
  ["who", "Who"],
  ["impact", "Impact"],
  ["ripples", "Ripples"],
];

/** The card; `write` it as often as there is more, `judge` it once. */
export class SceneCard {
  #texts = {};
  #rows = {};
  #verdict = element("div", { class: "verdict" });

  constructor() {
    for (const [field, label] of FIELDS) {
      this.#texts[field] = words("dd");
      this.#rows[field] = element("div", { class: field, hidden: true }, element("dt", {}, label), this.#texts[field]);
    }
    this.node = element("div", { class: "scene" }, element("dl", {}, ...Object.values(this.#rows)), this.#verdict);
  }

  /** Show the texts, with the writing mark in the last of them if it `isWritten`. */
  write(told, isWritten) {
    const reached = FIELDS.map(([field]) => field).filter((field) => told[field] !== "");
    for (const [field] of FIELDS) {
      this.#rows[field].hidden = told[field] === "";
      show(this.#texts[field], told[field].trim());
      this.#texts[field].classList.toggle("writing", isWritten && field === reached.at(-1));
    }
  }

  /** Show weight and decision; `isAdvice` where nothing follows from the decision. */
  judge({ scene, expected_weight: expected, decision, revise_probability: probability }, isAdvice = false) {
    const parts = [];
    if (scene.weight !== null) {
      const kind = `weight ${scene.weight < 0 ? "closing" : scene.weight > 0 ? "opening" : ""}`;
      const figure = element("p", { class: "figure" }, element("strong", {}, signed(scene.weight)));
      figure.append(` ${effect(scene.weight)}`);
      if (expected !== null) {
        figure.append(element("span", { class: "note" }, expectedKey(), ` expected ${signed(expected, 1)}`));
      }
      parts.push(element("div", { class: kind }, weightScale(scene.weight, expected), figure));
    }
    const decided = decisionWords(decision, probability) ?? "none";
    parts.push(element("p", { class: "decision" }, `${isAdvice ? "Advice" : "Decision"}: ${decided}`));
    this.#verdict.replaceChildren(...parts);
  }
}

/** Write a text where it changed: what stands there stays selected. */
export function show(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
