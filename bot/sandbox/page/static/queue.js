/** The tab that shows the waiting and running generations. */

import { el } from "./dom.js";
import { nameOf, state, t } from "./store.js";

const KNOWN = ["waiting", "generating", "made"];

/** Draws the tab. */
export function drawQueue(room) {
  const about = (key) => el("p", { className: "about", textContent: t(key) });
  if (!state.queue) return room.replaceChildren(about("queue_unknown"));
  const line = state.queue.length ? el("ol", { className: "queue" }, ...state.queue.map(entry)) : about("queue_none");
  return room.replaceChildren(about("limits"), line);
}

function entry({ prompt, sender, state: at, model, ahead }) {
  const said = KNOWN.includes(at) ? t(at) : at;
  const facts = [nameOf(sender), model, ahead === undefined ? null : t("ahead", { count: ahead })];
  return el("li", {},
    el("p", { textContent: prompt }),
    el("p", { className: "about" }, el("span", { className: `badge at-${at}`, textContent: said }), ` ${facts.filter(Boolean).join(" · ")}`));
}
