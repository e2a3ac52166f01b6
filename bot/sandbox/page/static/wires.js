/** The tab that shows what crosses the wires, as it happens. */

import { clock, el } from "./dom.js";
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
  const wires = [...state.wires.values()].reverse();
  room.replaceChildren(el("p", { className: "about", textContent: t("wires_about") }), el("div", { className: "wires" }, ...wires.map((wire) => entry(wire))));
}

function entry(wire, open = false) {
  const facts = [wire.status, wire.code ? `code ${wire.code}` : null, took(wire), wire.number > 1 ? t("attempt", { number: wire.number }) : null, wire.fault ? t("fault_met", { name: wire.fault }) : null];
  return el("details", { className: `wire way-${wire.way}${wire.good ? "" : " bad"}`, "data-wire": wire.id, open },
    el("summary", {},
      el("span", { className: "wire-top" }, el("time", { textContent: clock(wire.at, { exact: true }) }), el("span", { className: "way", textContent: t(`wire_${wire.way}`) }), el("strong", { textContent: wire.name })),
      el("span", { className: "wire-facts", textContent: facts.filter(Boolean).join(" · ") })),
    el("p", { className: "about", textContent: wire.outcome }),
    body("sent", wire.body),
    body("answered", wire.answer));
}

function took(wire) {
  if (wire.seconds === null || wire.seconds === undefined) return wire.status ? null : t("under_way");
  return wire.seconds < 1 ? `${Math.round(wire.seconds * 1000)} ms` : `${wire.seconds.toFixed(1)} s`;
}

function body(key, text) {
  if (!text) return null;
  return el("div", {}, el("p", { className: "about", textContent: t(key) }), el("pre", { tabIndex: 0, textContent: pretty(text) }));
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
