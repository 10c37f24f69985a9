// How to ask: the model, whether it reflects, the key and the options. Only a key is ever stored, and only if asked to.

import { element } from "./element.js";

const STORED_KEY = "tear-api-key";
const DIRECT = "-direct";

/** The controls, and what a request takes from them. */
export class Settings {
  constructor(client, { onKey }) {
    this.client = client;
    this.dialog = document.getElementById("settings");
    this.key = document.getElementById("key");
    this.keepKey = document.getElementById("keep-key");
    this.system = document.getElementById("system");
    this.temperature = document.getElementById("temperature");
    this.threshold = document.getElementById("threshold");
    this.model = document.getElementById("model");
    this.reflect = document.getElementById("reflect");

    this.key.value = stored() ?? "";
    this.keepKey.checked = this.key.value !== "";
    client.apiKey = this.key.value || null;

    this.key.addEventListener("input", () => this.#takeKey());
    this.keepKey.addEventListener("change", () => this.#takeKey());
    this.model.addEventListener("change", () => this.#matchSwitch());
    this.reflect.addEventListener("change", () => this.#matchModel());
    document.getElementById("open-settings").addEventListener("click", () => this.open());
    document.getElementById("settings-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.dialog.close();
    });
    // However it is closed: a browser does not tell a change of a field that Escape takes away.
    let looked = client.apiKey;
    this.dialog.addEventListener("close", () => {
      if (client.apiKey !== looked) onKey();
      looked = client.apiKey;
    });
    // A click beside it, on what lies behind, is a click on the dialog itself.
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
  }

  /** Open the drawer, at one of its fields. */
  open(field = null) {
    this.dialog.showModal();
    if (field !== null) document.getElementById(field).focus();
  }

  /** Offer these models; the choice is kept where it is still there. */
  offer(models) {
    const chosen = this.model.value;
    const group = (label, reflects) => {
      const names = models.filter((model) => model.reflects === reflects).map((model) => model.id);
      return element("optgroup", { label }, ...names.map((name) => element("option", { value: name }, name)));
    };
    this.model.replaceChildren(group("Reflects", true), group("Answers directly", false));
    if (models.some((model) => model.id === chosen)) this.model.value = chosen;
    this.#matchSwitch();
  }

  /** Whether the next answer is reflected on. */
  get reflects() {
    return this.reflect.checked;
  }

  /** The messages that a conversation begins with. */
  begin() {
    const system = this.system.value.trim();
    return system === "" ? [] : [{ role: "system", content: system }];
  }

  /** Model and options, as the API names them; what is not set is left to the server. */
  sampling() {
    const given = {};
    if (this.model.value !== "") given.model = this.model.value;
    if (this.#isGiven(this.temperature)) given.temperature = this.temperature.valueAsNumber;
    if (this.#isGiven(this.threshold)) given.revise_threshold = this.threshold.valueAsNumber;
    return given;
  }

  /** The chosen model by the name under which it reflects. */
  reflective() {
    const name = this.model.value.endsWith(DIRECT) ? this.model.value.slice(0, -DIRECT.length) : this.model.value;
    return this.#has(name) ? { model: name } : {};
  }

  #isGiven(field) {
    return field.value !== "" && field.validity.valid;
  }

  #has(name) {
    return [...this.model.options].some((option) => option.value === name);
  }

  #matchSwitch() {
    this.reflect.checked = this.model.selectedOptions[0]?.parentElement.label !== "Answers directly";
  }

  #matchModel() {
    const { model: name = this.model.value } = this.reflective();
    const wanted = this.reflects ? name : name + DIRECT;
    if (this.#has(wanted)) this.model.value = wanted;
    else this.#matchSwitch();
  }

  #takeKey() {
    const key = this.key.value.trim();
    this.client.apiKey = key || null;
    store(this.keepKey.checked ? key : "");
  }
}

// A browser may refuse to store anything; then nothing is kept, which is what it asked for.

function stored() {
  try {
    return sessionStorage.getItem(STORED_KEY);
  } catch {
    return null;
  }
}

function store(key) {
  try {
    if (key === "") sessionStorage.removeItem(STORED_KEY);
    else sessionStorage.setItem(STORED_KEY, key);
  } catch {
    // As above.
  }
}
