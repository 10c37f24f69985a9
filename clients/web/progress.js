// What is known of a reflection while it streams: the fold of its events.

const EMPTY = { who: "", impact: "", ripples: "" };

/** Feed it events in order; at the end it holds the reflection. */
export class Progress {
  stage = null;
  draft = "";
  told = { ...EMPTY };
  revised = "";
  witnessed = null;
  reflection = null;

  take(event) {
    switch (event.type) {
      case "stage.started":
        this.stage = event.stage;
        break;
      case "text.delta":
        if (event.stage === "draft") this.draft += event.text;
        else if (event.stage === "revised") this.revised += event.text;
        else if (event.field in EMPTY) this.told[event.field] += event.text;
        break;
      case "stage.completed":
        this.stage = null;
        if (event.report.stage === "draft") this.draft = event.text;
        if (event.report.stage === "revised") this.revised = event.text;
        break;
      case "reflection.witnessed":
        this.witnessed = event;
        this.told = Object.fromEntries(Object.keys(EMPTY).map((field) => [field, event.scene[field] ?? ""]));
        break;
      case "reflection.completed":
        this.stage = null;
        this.reflection = event.reflection;
        break;
    }
  }

  /** Whether nothing has come yet that a person could read. */
  get isEmpty() {
    return this.draft === "" && this.revised === "" && this.reflection === null;
  }
}
