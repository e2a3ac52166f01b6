/** Builds elements; text only ever becomes text, never markup. */

import { localized, on, speaker, state, t } from "./store.js";

const HUES = 6;
const TOAST_MS = 4000;

/**
 * An element with its properties and children; null children are left out.
 * Properties that hold a dash, and `role`, become attributes; `on…` become listeners.
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

export const option = (value, text, selected = false) => el("option", { value, textContent: text, selected });

/** The time of day, of seconds since 1970; `more` can ask for its seconds. */
export function clock(seconds, more = {}) {
  return new Date(seconds * 1000).toLocaleTimeString("zh-CN", { hour: "2-digit", minute: "2-digit", hour12: false, ...more });
}

/** A round mark with the last characters of a name; neighbours in a list differ in colour. */
export function avatar(name, { bot = false, place = 0 } = {}) {
  const initials = /^[\x20-\x7e]+$/.test(name) ? name.slice(0, 2) : name.slice(-2);
  return el("span", { className: `avatar ${bot ? "of-bot" : `hue-${place % HUES}`}`, "aria-hidden": "true", textContent: initials });
}

/** Shows a note for four seconds; `type` is info, success, error or warning. */
export function toast(text, type = "info") {
  const note = el("p", { className: `toast ${type}`, textContent: text });
  byId("toasts").append(note);
  setTimeout(() => note.remove(), TOAST_MS);
}

/** Shows what the bot answered to the visitor's own presses, in their language. */
export function startToasts() {
  on("refused", (said) => toast(t(said), "error"));
  on("toast", ({ presser, code, toast: given }) => {
    if (presser !== speaker().id) return;
    if (code) toast(t("press_error", { code }), "error");
    else if (given) toast(localized(given), given.type);
  });
}

/** Where a link leads from here: the page itself answers for the stand-in's pictures, of which their host knows nothing. */
function leadsTo(url) {
  const { image_host: host } = state.choices;
  if (!host || !url.startsWith(`https://${host}/`)) return url;
  const { pathname, search } = new URL(url);
  return `/originals${pathname}${search}`;
}

/** A link that opens in a new tab, without opener and referrer. */
export const anchor = (url, children) => el("a", { href: leadsTo(url), target: "_blank", rel: "noopener noreferrer" }, children);

/** Opens a link of a button in a new tab, which learns nothing of this one. */
export const openLink = (url) => open(leadsTo(url), "_blank", "noopener,noreferrer");

/** A picture of the chat, which a press enlarges; it takes its room before it comes. */
export function picture(key, alt, { width, height, className = "" }) {
  const image = el("img", { src: `/uploads/${key}`, alt, width, height });
  image.style.aspectRatio = `${width} / ${height}`;
  const label = t("enlarge", { name: alt });
  return el("button", { className: `picture ${className}`, type: "button", "aria-label": label, onclick: () => enlarge(key, alt) }, image);
}

/** Opens a dialog, which Esc and each button of its last row close; its return value is the button's. */
function openDialog(id, label, content, ...row) {
  const dialog = byId(id);
  dialog.replaceChildren(...content, el("form", { method: "dialog", className: "viewer-row" }, row));
  dialog.setAttribute("aria-label", label);
  dialog.returnValue = "";
  dialog.showModal();
  return dialog;
}

/** Shows a picture large; a press outside closes it. */
function enlarge(key, alt) {
  const save = el("a", { href: `/uploads/${key}?save=1`, download: "", textContent: t("save"), className: "primary" });
  const dialog = openDialog("viewer", alt, [el("img", { src: `/uploads/${key}`, alt })], save, el("button", { textContent: t("close") }));
  dialog.onclick = (event) => {
    if (event.target === dialog) dialog.close();
  };
}

/** Asks before a press that wants it; resolves to whether it was confirmed. */
export function confirmed(title, text) {
  const confirm = el("button", { className: "primary", value: "yes", textContent: t("confirm") });
  const content = [el("h2", { textContent: title }), el("p", { textContent: text })];
  const dialog = openDialog("confirm", title, content, el("button", { textContent: t("cancel") }), confirm);
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(dialog.returnValue === "yes");
  });
}
