/** The side panel and its three tabs. */

import { byId, el } from "./dom.js";
import { drawFaults, startFaults } from "./faults.js";
import { drawQueue } from "./queue.js";
import { on, t } from "./store.js";
import { drawWires, startWires } from "./wires.js";

const TABS = { wires: drawWires, queue: drawQueue, faults: drawFaults };
let open = "wires";
const rooms = {};

/** Builds the panel; it is drawn only while it is open. */
export function startPanel() {
  const panel = byId("panel");
  const tabs = el("div", { className: "tabs", role: "tablist", onkeydown: turned });
  for (const name of Object.keys(TABS)) {
    tabs.append(el("button", { type: "button", id: `tab-${name}`, role: "tab", "aria-controls": `room-${name}`, onclick: () => show(name) }));
    rooms[name] = el("div", { id: `room-${name}`, className: "room", role: "tabpanel", tabIndex: 0, "aria-labelledby": `tab-${name}` });
  }
  const close = el("button", { type: "button", className: "panel-close", textContent: "✕", onclick: toggle });
  panel.append(el("div", { className: "panel-head" }, tabs, close), ...Object.values(rooms));
  byId("panel-toggle").addEventListener("click", toggle);
  panel.addEventListener("keydown", (event) => event.key === "Escape" && toggle());
  startWires(() => !panel.hidden && open === "wires", rooms.wires);
  startFaults(() => !panel.hidden && open === "faults", rooms.faults);
  on("snapshot settings", () => close.setAttribute("aria-label", t("close")));
  on("settings", () => !panel.hidden && show(open));
  // What was chosen among the faults stays chosen when a lost connection is there again.
  on("snapshot", (missed) => !panel.hidden && !(missed && open === "faults") && show(open));
  on("queue", () => !panel.hidden && open === "queue" && show("queue"));
}

function toggle() {
  const panel = byId("panel");
  panel.hidden = !panel.hidden;
  byId("panel-toggle").setAttribute("aria-expanded", String(!panel.hidden));
  if (panel.hidden) byId("panel-toggle").focus();
  else {
    show(open);
    byId(`tab-${open}`).focus();
  }
}

function turned(event) {
  const names = Object.keys(TABS);
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  show(names[(names.indexOf(open) + step + names.length) % names.length]);
  byId(`tab-${open}`).focus();
}

function show(name) {
  open = name;
  for (const [other, room] of Object.entries(rooms)) {
    const tab = byId(`tab-${other}`);
    tab.textContent = t(other);
    tab.setAttribute("aria-selected", String(other === name));
    tab.tabIndex = other === name ? 0 : -1;
    room.hidden = other !== name;
  }
  TABS[name](rooms[name]);
}
