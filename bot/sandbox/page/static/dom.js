/** Builds elements; text only ever becomes text, never markup. */

const HUES = 6;

/**
 * An element with its properties and children; null children are left out.
 * Properties that hold a dash, `for` and `role` become attributes; `on…` become listeners.
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "for" || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** An option of a select. */
export const option = (value, text, selected = false) => el("option", { value, textContent: text, selected });

/** The time of day, of seconds since 1970. */
export function clock(seconds, { exact = false } = {}) {
  const given = { hour: "2-digit", minute: "2-digit", hour12: false };
  return new Date(seconds * 1000).toLocaleTimeString("zh-CN", exact ? { ...given, second: "2-digit" } : given);
}

/** A round mark with the last characters of a name; neighbours in a list differ in colour. */
export function avatar(name, { bot = false, place = 0 } = {}) {
  const initials = /^[\x20-\x7e]+$/.test(name) ? name.slice(0, 2) : name.slice(-2);
  return el("span", { className: `avatar ${bot ? "of-bot" : `hue-${place % HUES}`}`, "aria-hidden": "true", textContent: initials });
}
