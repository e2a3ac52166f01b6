/** The tab with the switches: faults of both platforms, their pace, deliveries, and the bot's process. */

import { el, option } from "./dom.js";
import { language, on, state, t } from "./store.js";
import { act } from "./wire.js";

const PACES = [0, 1, 3, 10, 30, 60];
const COPIES = [0, 1, 3];
const TIMES = [1, 2, 3, 5, 20];

const turn = (name, fields = {}) => act("switch", { switch: name, ...fields });

/** Keeps what the open tab says of the switches. */
export function startFaults(isOpen, room) {
  on("switches", () => isOpen() && drawState(room));
}

/** Draws the tab. */
export function drawFaults(room) {
  const real = state.choices.real_glm;
  room.replaceChildren(
    ...(real ? [el("p", { className: "about", textContent: t("glm_is_real") })] : [pace(), glmFault()]),
    feishuFault(),
    el("section", { className: "switch", id: "armed" }),
    deliveries(),
    ...(state.choices.process ? [el("section", { className: "switch", id: "process" })] : []),
  );
  drawState(room);
}

function drawState(room) {
  const { armed = [], running } = state.switches;
  const lines = armed.map(({ name, on: call, left }) => [faultWords(name), call].filter(Boolean).join(" · ") + (left === 1 ? "" : ` × ${left ?? "∞"}`));
  const clear = el("button", { type: "button", textContent: t("clear"), disabled: !lines.length, onclick: () => turn("clear") });
  room.querySelector("#armed").replaceChildren(
    el("h3", { textContent: t("armed") }),
    lines.length ? el("ul", {}, ...lines.map((line) => el("li", { textContent: line }))) : el("p", { className: "about", textContent: t("armed_none") }),
    clear);
  room.querySelector("#process")?.replaceChildren(
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
export const faultWords = (name) => faultNamed(name)?.[language()] ?? name;
