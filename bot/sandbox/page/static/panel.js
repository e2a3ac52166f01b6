/** The side panel and its three tabs. */

import { byId, clock, el, option } from "./dom.js";
import { act, language, nameOf, on, state, t } from "./store.js";

const TABS = { wires: drawWires, queue: drawQueue, faults: drawFaults };
let open = "wires";
const panes = {};

/** Builds the panel; it is drawn only while it is open. */
export function startPanel() {
  const panel = byId("panel");
  const tabs = el("div", { className: "tabs", role: "tablist", onkeydown: turned });
  for (const name of Object.keys(TABS)) {
    tabs.append(el("button", { type: "button", id: `tab-${name}`, role: "tab", "aria-controls": `pane-${name}`, onclick: () => show(name) }));
    panes[name] = el("div", { id: `pane-${name}`, className: "pane", role: "tabpanel", tabIndex: 0, "aria-labelledby": `tab-${name}` });
  }
  const close = el("button", { type: "button", className: "panel-close", textContent: "✕", onclick: toggle });
  panel.append(el("div", { className: "panel-head" }, tabs, close), ...Object.values(panes));
  byId("panel-toggle").addEventListener("click", toggle);
  panel.addEventListener("keydown", (event) => event.key === "Escape" && toggle());
  startWires(() => !panel.hidden && open === "wires", panes.wires);
  startFaults(() => !panel.hidden && open === "faults", panes.faults);
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
  for (const [other, pane] of Object.entries(panes)) {
    const tab = byId(`tab-${other}`);
    tab.textContent = t(other);
    tab.setAttribute("aria-selected", String(other === name));
    tab.tabIndex = other === name ? 0 : -1;
    pane.hidden = other !== name;
  }
  TABS[name](panes[name]);
}

const PACES = [0, 1, 3, 10, 30, 60];
const COPIES = [0, 1, 3];
const TIMES = [1, 2, 3, 5, 20];

const turn = (name, fields = {}) => act("switch", { switch: name, ...fields });

function startFaults(isOpen, pane) {
  on("switches", () => isOpen() && drawState(pane));
}

function drawFaults(pane) {
  const real = state.choices.real_glm;
  pane.replaceChildren(
    ...(real ? [el("p", { className: "about", textContent: t("glm_is_real") })] : [pace(), glmFault()]),
    feishuFault(),
    el("section", { className: "switch", id: "armed" }),
    deliveries(),
    ...(state.choices.process ? [el("section", { className: "switch", id: "process" })] : []),
  );
  drawState(pane);
}

function drawState(pane) {
  const { armed = [], running } = state.switches;
  const lines = armed.map(({ name, on: call, left }) => [faultWords(name), call].filter(Boolean).join(" · ") + (left === 1 ? "" : ` × ${left ?? "∞"}`));
  const clear = el("button", { type: "button", textContent: t("clear"), disabled: !lines.length, onclick: () => turn("clear") });
  pane.querySelector("#armed").replaceChildren(
    el("h3", { textContent: t("armed") }),
    lines.length ? el("ul", {}, ...lines.map((line) => el("li", { textContent: line }))) : el("p", { className: "about", textContent: t("armed_none") }),
    clear);
  pane.querySelector("#process")?.replaceChildren(
    el("h3", {}, t("process"), " ", el("span", { className: `badge ${running ? "" : "bad"}`, textContent: t(running ? "running" : "down") })),
    el("p", { className: "switch-row" },
      el("button", { type: "button", className: "danger", textContent: t("kill"), disabled: !running, onclick: () => turn("kill") }),
      el("button", { type: "button", textContent: t("start"), disabled: running, onclick: () => turn("start") })));
}

function pace() {
  const paces = [...new Set([...PACES, state.switches.seconds])].sort((a, b) => a - b);
  const choices = paces.map((count) => option(String(count), t("seconds", { count }), count === state.switches.seconds));
  return section("glm_seconds", chooser("glm_seconds", choices, { id: "pace", onchange: (event) => turn("seconds", { seconds: Number(event.target.value) }) }));
}

function glmFault() {
  const fault = chooser("glm_fault", faultOptions("glm"), { id: "glm-fault" });
  const times = timesChooser();
  const arm = () => turn("fault", { name: fault.value, times: Number(times.value) });
  return section("glm_fault", fault, times, el("button", { type: "button", textContent: t("arm"), "aria-label": t("arm_glm"), onclick: arm }));
}

function feishuFault() {
  const fault = chooser("feishu_fault", faultOptions("feishu"), { id: "feishu-fault", onchange: () => offerCalls() });
  const calls = chooser("on_call", [], { id: "feishu-call" });
  const times = timesChooser();
  const offerCalls = () => {
    const { calls: fitting, aim } = faultNamed(fault.value);
    calls.replaceChildren(...fitting.map((name) => option(name, name, name === aim)));
  };
  const arm = () => turn("fault", { name: fault.value, on: calls.value, times: Number(times.value) });
  offerCalls();
  return section("feishu_fault", fault, calls, times, el("button", { type: "button", textContent: t("arm"), "aria-label": t("arm_feishu"), onclick: arm }));
}

function deliveries() {
  const { duplicates, new_event_id: renamed } = state.switches;
  const copies = chooser("deliveries", COPIES.map((count) => option(String(count), count ? t("copies", { count }) : t("never"), count === duplicates)), { id: "copies" });
  const fresh = el("input", { type: "checkbox", checked: renamed });
  const send = () => turn("delivery", { duplicates: Number(copies.value), new_event_id: fresh.checked });
  copies.addEventListener("change", send);
  fresh.addEventListener("change", send);
  return section("deliveries", copies, el("label", {}, fresh, " ", t("new_event_id")));
}

function section(key, ...parts) {
  return el("section", { className: "switch" }, el("h3", { textContent: t(key) }), el("div", { className: "switch-row" }, ...parts));
}

function chooser(key, choices, properties = {}) {
  return el("select", { "aria-label": t(key), ...properties }, ...choices);
}

const timesChooser = () => chooser("times", TIMES.map((count) => option(String(count), `× ${count}`)));

function faultOptions(side) {
  return state.choices.faults.filter((fault) => fault.side === side).map((fault) => option(fault.name, `${fault[language()]} · ${fault.name}`));
}

const faultNamed = (name) => state.choices.faults.find((fault) => fault.name === name);

/** What a fault is called in the reader's language; a code that is in no list is called by its name. */
const faultWords = (name) => faultNamed(name)?.[language()] ?? name;

const KNOWN = ["waiting", "generating", "made"];

function drawQueue(pane) {
  const about = (key) => el("p", { className: "about", textContent: t(key) });
  if (!state.queue) return pane.replaceChildren(about("queue_unknown"));
  const line = state.queue.length ? el("ol", { className: "queue" }, ...state.queue.map(queueEntry)) : about("queue_none");
  return pane.replaceChildren(about("limits"), line);
}

function queueEntry({ prompt, sender, state: at, model, ahead }) {
  const said = KNOWN.includes(at) ? t(at) : at;
  const facts = [nameOf(sender), model, ahead === undefined ? null : t("ahead", { count: ahead })];
  return el("li", {},
    el("p", { textContent: prompt }),
    el("p", { className: "about" }, el("span", { className: `badge at-${at}`, textContent: said }), ` ${facts.filter(Boolean).join(" · ")}`));
}

function startWires(isOpen, pane) {
  on("wire", (wire) => {
    if (!isOpen()) return;
    const shown = pane.querySelector(`[data-wire="${wire.id}"]`);
    const next = entry(wire, shown?.open);
    if (shown) shown.replaceWith(next);
    else pane.querySelector(".wires").prepend(next);
  });
}

function drawWires(pane) {
  const open = new Set([...pane.querySelectorAll(".wire[open]")].map((shown) => shown.dataset.wire));
  const wires = [...state.wires.values()].reverse();
  const about = t(state.choices.real_glm ? "wires_about_real" : "wires_about");
  pane.replaceChildren(el("p", { className: "about", textContent: about }), el("div", { className: "wires" }, ...wires.map((wire) => entry(wire, open.has(wire.id)))));
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
