/** The list of people that opens behind an @ in the composer. */

import { byId, el } from "./dom.js";
import { nameOf, openChat, speaker, state, t } from "./store.js";

let list = null;
let field = null;

/** Opens the list where the text before the cursor ends in an @ and the beginning of a name. */
export function offerMentions(text) {
  closeMentions();
  field = text;
  const begun = /(?<![A-Za-z0-9._%+-])@([^\s@]*)$/.exec(text.value.slice(0, text.selectionStart));
  if (!begun || openChat()?.kind === "p2p") return;
  const names = candidates().filter((name) => name.toLowerCase().startsWith(begun[1].toLowerCase()) && name !== begun[1]);
  if (!names.length) return;
  list = el("ul", { className: "mentions", id: "mentions", role: "listbox", "aria-label": t("mention") },
    ...names.map((name, place) => el("li", { role: "option", id: `mention-${place}`, textContent: name, onmousedown: (event) => {
      event.preventDefault();
      take(name);
    } })));
  byId("composer").append(list);
  text.setAttribute("aria-controls", "mentions");
  point(0);
}

/** Lets the keys move in an open list; tells whether the key was one of its own. */
export function mentionKeys(event) {
  if (!list) return false;
  const place = [...list.children].findIndex((entry) => entry.getAttribute("aria-selected") === "true");
  const count = list.children.length;
  switch (event.key) {
    case "ArrowDown": point((place + 1) % count); break;
    case "ArrowUp": point((place + count - 1) % count); break;
    case "Enter": case "Tab": take(list.children[place].textContent); break;
    case "Escape": closeMentions(); break;
    default: return false;
  }
  event.preventDefault();
  return true;
}

/** Closes the list. */
export function closeMentions() {
  list?.remove();
  list = null;
  field?.removeAttribute("aria-activedescendant");
  field?.removeAttribute("aria-controls");
}

function candidates() {
  const members = openChat().members.filter((id) => id !== speaker().id).map(nameOf);
  return [nameOf(state.bot.id), ...members, t("everybody")];
}

function point(place) {
  [...list.children].forEach((entry, number) => entry.setAttribute("aria-selected", String(number === place)));
  field.setAttribute("aria-activedescendant", `mention-${place}`);
}

function take(name) {
  const end = field.selectionStart;
  const begin = field.value.lastIndexOf("@", end - 1);
  field.setRangeText(`@${name} `, begin, end, "end");
  closeMentions();
  field.focus();
}
