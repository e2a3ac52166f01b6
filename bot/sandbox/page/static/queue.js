/** The tab that shows the waiting and running generations. */

import { el } from "./dom.js";
import { nameOf, state, t } from "./store.js";

const KNOWN = ["waiting", "generating", "made"];

/** Draws the tab. */
export function drawQueue(room) {
  if (!state.queue) room.replaceChildren(el("p", { className: "about", textContent: t("queue_unknown") }));
  else if (!state.queue.length) room.replaceChildren(el("p", { className: "about", textContent: t("queue_none") }));
  else room.replaceChildren(el("ol", { className: "queue" }, ...state.queue.map(entry)));
}

function entry({ prompt, sender, state: at, model }) {
  const said = KNOWN.includes(at) ? t(at) : at;
  return el("li", {},
    el("p", { textContent: prompt }),
    el("p", { className: "about" }, el("span", { className: `badge at-${at}`, textContent: said }), ` ${nameOf(sender)} · ${model}`));
}
