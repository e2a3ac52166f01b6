/** The tab that shows what crosses the wires, as it happens. */

import { clock, el } from "./dom.js";
import { faultWords } from "./faults.js";
import { on, state, t } from "./store.js";

/** Adds what comes to the open tab. */
export function startWires(isOpen, room) {
  on("wire", (wire) => {
    if (!isOpen()) return;
    const shown = room.querySelector(`[data-wire="${wire.id}"]`);
    const next = entry(wire, shown?.open);
    if (shown) shown.replaceWith(next);
    else room.querySelector(".wires").prepend(next);
  });
}

/** Draws the tab. */
export function drawWires(room) {
  const open = new Set([...room.querySelectorAll(".wire[open]")].map((shown) => shown.dataset.wire));
  const wires = [...state.wires.values()].reverse();
  const about = t(state.choices.real_glm ? "wires_about_real" : "wires_about");
  room.replaceChildren(el("p", { className: "about", textContent: about }), el("div", { className: "wires" }, ...wires.map((wire) => entry(wire, open.has(wire.id)))));
}

function entry(wire, open = false) {
  const facts = [wire.status, wire.code ? t("code", { code: wire.code }) : null, took(wire), wire.number > 1 ? t("attempt", { number: wire.number }) : null, wire.fault ? t("fault_met", { name: faultWords(wire.fault) }) : null];
  return el("details", { className: `wire way-${wire.way}${wire.good ? "" : " bad"}`, "data-wire": wire.id, open },
    el("summary", {},
      el("span", { className: "wire-top" }, el("time", { textContent: clock(wire.at, { exact: true }) }), el("span", { className: "way", textContent: t(`wire_${wire.way}`) }), el("strong", { textContent: wire.name })),
      el("span", { className: "wire-facts", textContent: facts.filter(Boolean).join(" · ") })),
    el("p", { className: "about", textContent: wire.target ?? t(`outcome_${wire.outcome}`) }),
    body("sent", wire.body),
    body("answered", wire.answer));
}

function took(wire) {
  if (!wire.over) return t("outcome_under_way");
  if (wire.status === null) return t("no_answer");
  if (wire.seconds === null) return null;
  return wire.seconds < 1 ? `${Math.round(wire.seconds * 1000)} ms` : `${wire.seconds.toFixed(1)} s`;
}

function body(key, text) {
  if (!text) return null;
  return el("div", {}, el("p", { className: "about", textContent: t(key) }), el("pre", { tabIndex: 0, textContent: pretty(text) }));
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text, unfolded), null, 2);
  } catch {
    return text;
  }
}

/** Feishu's `content` is JSON in a text of JSON, which nobody can read as it is. */
function unfolded(key, value) {
  if (key !== "content" || typeof value !== "string" || !value.startsWith("{")) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
