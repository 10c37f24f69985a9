// The report of what really happened: a weight, if one fits, and words.

import { button, element } from "./element.js";
import { signed } from "./figures.js";

const WEIGHTS = [-3, -2, -1, 0, 1, 2, 3];
const MOST_CHARACTERS = 4000;
let forms = 0;

/** A form that unfolds; `report(text, weight)` sends it, and what that throws is told. */
export function outcomeForm(report) {
  const name = `outcome-${(forms += 1)}`;
  const text = element("textarea", {
    id: `${name}-text`, rows: 2, dir: "auto", maxlength: MOST_CHARACTERS, required: true, autocomplete: "off",
  });
  const weights = WEIGHTS.map((weight) => {
    const choice = element("input", { type: "radio", name, value: weight });
    return element("label", {}, choice, element("span", {}, signed(weight)));
  });
  const clear = () => weights.forEach((label) => (label.firstChild.checked = false));
  const told = element("p", { role: "status", class: "note" });
  const send = element("button", { type: "submit", class: "quiet" }, "Report");
  const form = element(
    "form",
    { class: "outcome" },
    element("label", { for: text.id }, "What did the answer do?"),
    text,
    element(
      "fieldset",
      {},
      element("legend", {}, "Its weight, if you would give it one: −3 closed me, 0 left no trace, +3 opened me"),
      element("div", { class: "weights" }, ...weights),
    ),
    element("p", { class: "actions" }, send, button("No weight", clear)),
    told,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (text.value.trim() === "") return;
    const chosen = new FormData(form).get(name);
    send.disabled = true;
    try {
      await report(text.value, chosen === null ? null : Number(chosen));
      told.textContent = "Kept in the server's journal. Reporting again replaces it.";
    } catch (error) {
      told.textContent = `It was not kept. ${error.message}`;
    } finally {
      send.disabled = false;
    }
  });
  return element("details", { class: "more" }, element("summary", {}, "What really happened?"), form);
}
