/** The side panel: what crosses the wires, the queue, the faults. */

import { byId, clock, el, option } from "./dom.js";
import { act, language, nameOf, on, state, t } from "./store.js";

const TABS = { wires: drawWires, queue: drawQueue, faults: drawFaults };
const PACES = [0, 1, 3, 10, 30, 60, "real"];
const COPIES = [0, 1, 3];
/** How often a fault is met, or for how many seconds. */
const LENGTHS = [{ times: 1 }, { times: 2 }, { times: 3 }, { times: 5 }, { times: 20 }, { seconds: 30 }, { seconds: 120 }];

let open = "wires";
const panes = {};
const isOpen = (name) => !byId("panel").hidden && open === name;

/** Builds the panel; it is drawn only while it is open. */
export function startPanel() {
  const panel = byId("panel");
  const tabs = el("div", { className: "tabs", role: "tablist", onkeydown: turned });
  for (const name of Object.keys(TABS)) {
    tabs.append(el("button", { type: "button", id: `tab-${name}`, role: "tab", "data-word": name, "aria-controls": `pane-${name}`, onclick: () => show(name) }));
    panes[name] = el("div", { id: `pane-${name}`, className: "pane", role: "tabpanel", tabIndex: 0, "aria-labelledby": `tab-${name}` });
  }
  const close = el("button", { type: "button", className: "panel-close", "data-label": "close", textContent: "✕", onclick: toggle });
  panel.append(el("div", { className: "panel-head" }, tabs, close), ...Object.values(panes));
  byId("panel-toggle").addEventListener("click", toggle);
  panel.addEventListener("keydown", (event) => event.key === "Escape" && toggle());
  on("snapshot settings", () => isOpen(open) && show(open));
  on("queue", () => isOpen("queue") && show("queue"));
  on("switches", () => isOpen("faults") && drawState(panes.faults));
  on("wire", takeWire);
}

function toggle() {
  const panel = byId("panel");
  panel.hidden = !panel.hidden;
  byId("panel-toggle").setAttribute("aria-expanded", String(!panel.hidden));
  if (panel.hidden) return byId("panel-toggle").focus();
  show(open);
  return byId(`tab-${open}`).focus();
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
    tab.setAttribute("aria-selected", String(other === name));
    tab.tabIndex = other === name ? 0 : -1;
    pane.hidden = other !== name;
  }
  TABS[name](panes[name]);
}

let turning = Promise.resolve();

/** Turns a switch after those before it: two quick changes must not change places on their way. */
function turn(name, fields = {}) {
  turning = turning.then(() => act(name, fields));
}

const about = (key) => el("p", { className: "about", textContent: t(key) });

function drawFaults(pane) {
  pane.replaceChildren(
    ...(state.choices.real_glm ? [about("glm_is_real")] : [pace(), fault("glm")]),
    fault("feishu"),
    el("section", { className: "switch", id: "armed" }),
    deliveries(),
    el("section", { className: "switch", id: "process" }),
  );
  drawState(pane);
}

function drawState(pane) {
  const { armed = [], running } = state.switches;
  const button = (key, disabled, className = "") => el("button", { type: "button", className, textContent: t(key), disabled, onclick: () => turn(key) });
  pane.querySelector("#armed").replaceChildren(
    el("h3", { textContent: t("armed") }),
    armed.length ? el("ul", {}, armed.map((one) => el("li", { textContent: armedWords(one) }))) : about("armed_none"),
    button("clear", !armed.length));
  pane.querySelector("#process").replaceChildren(
    el("h3", {}, t("process"), " ", el("span", { className: `badge ${running ? "" : "bad"}`, textContent: t(running ? "running" : "down") })),
    el("p", { className: "switch-row" }, button("kill", !running, "danger"), button("start", running)));
}

/** What an armed fault is called, the call that meets it, and how often or for how long it will be met. */
export function armedWords({ name, on: call, left, ends_at: ends }) {
  const seconds = ends && Math.max(0, Math.round(ends - Date.now() / 1000));
  const length = ends ? ` · ${t("seconds_left", { count: seconds })}` : left === 1 ? "" : ` × ${left ?? "∞"}`;
  return [faultWords(name), call].filter(Boolean).join(" · ") + length;
}

function pace() {
  const { seconds } = state.switches;
  const name = (one) => t(one === "real" ? "seconds_real" : "seconds", { count: one });
  const paces = [...new Set([...PACES, seconds])].map((one) => option(String(one), name(one), one === seconds));
  const choose = ({ target }) => turn("seconds", { seconds: target.value === "real" ? "real" : Number(target.value) });
  return section("glm_seconds", chooser("glm_seconds", paces, { id: "pace", onchange: choose }));
}

/** Arms a fault of one side, of Feishu's for one of the calls that can fail by it. */
function fault(side) {
  const key = `${side}_fault`;
  const choices = state.choices.faults.filter((one) => one.side === side).map((one) => option(one.name, `${one[language()]} · ${one.name}`));
  const faults = chooser(key, choices, { id: `${side}-fault`, onchange: () => offerCalls() });
  const calls = side === "feishu" ? chooser("on_call", [], { id: "feishu-call" }) : null;
  const lengthName = ({ times, seconds }) => (times ? `× ${times}` : t("for_seconds", { count: seconds }));
  const length = chooser(`times_${side}`, LENGTHS.map((one, place) => option(String(place), lengthName(one))));
  const offerCalls = () => {
    const { calls: fitting, aim } = faultNamed(faults.value);
    calls?.replaceChildren(...fitting.map((name) => option(name, name, name === aim)));
  };
  const arm = () => turn("fault", { name: faults.value, on: calls?.value, ...LENGTHS[length.value] });
  offerCalls();
  return section(key, faults, calls, length, el("button", { type: "button", textContent: t("arm"), "aria-label": t(`arm_${side}`), onclick: arm }));
}

function deliveries() {
  const { duplicates, new_event_id: renamed } = state.switches;
  const send = () => turn("delivery", { duplicates: Number(copies.value), new_event_id: fresh.checked });
  const counts = COPIES.map((count) => option(String(count), count ? t("copies", { count }) : t("never"), count === duplicates));
  const copies = chooser("deliveries", counts, { id: "copies", onchange: send });
  const fresh = el("input", { type: "checkbox", checked: renamed, onchange: send });
  return section("deliveries", copies, el("label", {}, fresh, " ", t("new_event_id")));
}

function section(key, ...parts) {
  return el("section", { className: "switch" }, el("h3", { textContent: t(key) }), el("div", { className: "switch-row" }, parts));
}

const chooser = (key, choices, properties = {}) => el("select", { "aria-label": t(key), ...properties }, choices);

const faultNamed = (name) => state.choices.faults.find((one) => one.name === name);

const faultWords = (name) => faultNamed(name)[language()];

function drawQueue(pane) {
  const line = state.queue.length ? el("ol", { className: "queue" }, state.queue.map(queueEntry)) : about("queue_none");
  pane.replaceChildren(about("limits"), line);
}

function queueEntry({ prompt, sender, state: at, model, ahead }) {
  const facts = [nameOf(sender), model, ahead === undefined ? null : t("ahead", { count: ahead })];
  return el("li", {},
    el("p", { textContent: prompt }),
    el("p", { className: "about" }, el("span", { className: `badge at-${at}`, textContent: t(at) }), ` ${facts.filter(Boolean).join(" · ")}`));
}

function takeWire(wire) {
  if (!isOpen("wires")) return;
  const shown = panes.wires.querySelector(`[data-wire="${wire.id}"]`);
  const next = entry(wire, shown?.open);
  if (shown) shown.replaceWith(next);
  else panes.wires.querySelector(".wires").prepend(next);
}

function drawWires(pane) {
  const opened = new Set([...pane.querySelectorAll(".wire[open]")].map((shown) => shown.dataset.wire));
  const wires = [...state.wires.values()].reverse();
  pane.replaceChildren(about(state.choices.real_glm ? "wires_about_real" : "wires_about"),
    el("div", { className: "wires" }, wires.map((wire) => entry(wire, opened.has(wire.id)))));
}

function entry(wire, opened = false) {
  const facts = [wire.status, wire.code ? t("code", { code: wire.code }) : null, took(wire),
    wire.number > 1 ? t("attempt", { number: wire.number }) : null, wire.fault ? t("fault_met", { name: faultWords(wire.fault) }) : null];
  return el("details", { className: `wire way-${wire.way}${wire.good ? "" : " bad"}`, "data-wire": wire.id, open: opened },
    el("summary", {},
      el("span", { className: "wire-top" }, el("time", { textContent: clock(wire.at, { second: "2-digit" }) }), el("span", { className: "way", textContent: t(`wire_${wire.way}`) }), el("strong", { textContent: wire.name })),
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
  return text ? el("div", {}, about(key), el("pre", { tabIndex: 0, textContent: pretty(text) })) : null;
}

/** JSON in lines, with Feishu's `content`, which is JSON in a text of JSON and not readable as it is. */
function pretty(text) {
  const value = parsed(text, (key, inner) => (key === "content" && String(inner).startsWith("{") ? parsed(inner) : inner));
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** The value of JSON, or a text that is none as it is. */
function parsed(text, reviver) {
  try {
    return JSON.parse(text, reviver);
  } catch {
    return text;
  }
}
