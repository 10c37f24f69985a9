// The page: two views over one client, and what the server says of itself.

import { Chat } from "./chat.js";
import { failureNotice } from "./failure.js";
import { Settings } from "./settings.js";
import { TearClient } from "./tear-client.js";
import { WitnessView } from "./witness.js";

const SMALL_WORLD = "tear-nano";

// Beside the page, so that it also works behind a proxy that puts the server under a path.
const client = new TearClient({ url: new URL(".", document.baseURI).href });
const announcer = document.getElementById("announcer");
const announce = (text) => (announcer.textContent = text);
const settings = new Settings(client, { onKey: look });
const views = {
  talk: new Chat(client, settings, { announce }),
  witness: new WitnessView(client, settings, { announce }),
};
const serverNotice = document.getElementById("server-notice");

let shown = "talk";

/** Show the view that the address names; other names in it are places within a view. */
function turn() {
  const named = location.hash.slice(1) || "talk";
  if (!Object.hasOwn(views, named)) return;
  shown = named;
  for (const name of Object.keys(views)) {
    document.getElementById(name).hidden = name !== shown;
    const link = document.getElementById(`to-${name}`);
    if (name === shown) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = shown === "talk" ? "The Tear" : "Witness · The Tear";
  scrollTo(0, 0);
}

/** Ask the server what it serves, and offer it. */
async function look() {
  try {
    const [models, version] = await Promise.all([client.models(), client.version()]);
    settings.offer(models);
    document.getElementById("small-world").hidden = !models.some((model) => model.root === SMALL_WORLD);
    views.talk.report = version.journal
      ? (id, text, weight) => client.reportOutcome(id, weight === null ? { text } : { text, weight })
      : null;
    serverNotice.replaceChildren();
  } catch (error) {
    serverNotice.replaceChildren(failureNotice(error, { onAgain: look, onKey: () => settings.open("key") }));
  }
}

addEventListener("hashchange", turn);
addEventListener("keydown", (event) => {
  // In the dialog Escape closes the dialog, and an input method takes it for itself.
  if (event.key === "Escape" && !event.isComposing && !settings.dialog.open) views[shown].stop();
});
turn();
look();
