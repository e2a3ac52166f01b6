/** Where the visitor writes: words, mentions, rich text, a picture, and what it replies to. */

import { byId, el, toast } from "./dom.js";
import { inShort } from "./message.js";
import { act, nameOf, on, openChat, speaker, state, t, emit } from "./store.js";

let picked = null;
const parts = {};

/** Draws the composer and keeps it in the reader's language. */
export function startComposer() {
  const form = byId("composer");
  parts.reply = el("p", { className: "replying", hidden: true });
  parts.picked = el("p", { className: "picked", hidden: true });
  parts.text = el("textarea", { id: "text", rows: 2, onkeydown: keyed, oninput: () => offerMentions(parts.text) });
  parts.mention = el("button", { type: "button", textContent: "@", onclick: startMention });
  parts.rich = el("button", { type: "button", textContent: "Aa", "aria-pressed": "false", onclick: toggleRich });
  parts.file = el("input", { type: "file", accept: "image/*", className: "unseen", tabIndex: -1, "aria-hidden": "true", onchange: pick });
  parts.attach = el("button", { type: "button", textContent: "＋", onclick: () => parts.file.click() });
  parts.send = el("button", { type: "submit", className: "primary" });
  form.append(parts.reply, parts.picked, parts.text, el("p", { className: "composer-row" }, parts.mention, parts.rich, parts.attach, parts.file, parts.send));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  on("snapshot chat settings reply", draw);
  on("chat settings", closeMentions);
  on("reply", () => state.reply && parts.text.focus());
}

/** Says one of the examples at once, mentioning the bot where that is needed. */
export function sendExample(text) {
  const chat = openChat();
  return message(chat.kind === "p2p" ? text : `@${nameOf(state.bot.id)} ${text}`);
}

function draw() {
  const chat = openChat();
  if (!chat) return;
  const source = state.messages.get(state.reply);
  parts.text.placeholder = t(source ? "write_reply" : chat.kind === "p2p" ? "write_direct" : `write_${chat.kind}`, { bot: nameOf(state.bot.id) });
  parts.text.setAttribute("aria-label", parts.text.placeholder);
  parts.mention.hidden = chat.kind === "p2p";
  parts.send.textContent = t("send");
  for (const [part, key] of [[parts.mention, "mention"], [parts.rich, "rich"], [parts.attach, "attach"]]) {
    part.title = t(key);
    part.setAttribute("aria-label", t(key));
  }
  parts.reply.hidden = !source;
  if (source) {
    const words = t("replying", { name: nameOf(source.sender), text: inShort(source) });
    parts.reply.replaceChildren(el("span", { textContent: words }), dropButton("stop_reply", stopReply));
  }
}

function keyed(event) {
  // Keys that end or steer the choice of an input method are its own: Enter must not send half a sentence.
  if (event.isComposing || mentionKeys(event)) return;
  if (event.key === "Escape" && state.reply) stopReply();
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    send();
  }
}

function stopReply() {
  state.reply = null;
  emit("reply");
  parts.text.focus();
}

function startMention() {
  parts.text.setRangeText("@", parts.text.selectionStart, parts.text.selectionEnd, "end");
  parts.text.focus();
  offerMentions(parts.text);
}

function toggleRich() {
  parts.rich.setAttribute("aria-pressed", String(parts.rich.getAttribute("aria-pressed") !== "true"));
}

async function send() {
  const [text, file] = [parts.text.value.trim(), picked];
  if (!text && !file) return;
  closeMentions();
  const sending = message(text, file);
  // The field is emptied at once: text typed while the answer is awaited must not be lost.
  parts.text.value = "";
  drop();
  if (state.reply) stopReply();
  if ((await sending) || parts.text.value || picked) return;
  parts.text.value = text;
  take(file);
}

/** Says words, or sends a picture with or without them, in the open chat and to what is replied to. */
async function message(text, file = null) {
  const source = state.messages.get(state.reply);
  const fields = {
    chat: state.chat,
    sender: speaker().id,
    text,
    bot: nameOf(state.bot.id),
    all: t("everybody"),
    rich: parts.rich.getAttribute("aria-pressed") === "true",
    ...(!source ? {} : openChat().kind === "topic" ? { thread: source.thread } : { quote: source.id }),
  };
  return act("say", file ? { ...fields, picture: await base64(file) } : fields);
}

function pick() {
  const [file] = parts.file.files;
  if (!file || file.type.startsWith("image/")) return take(file);
  toast(t("no_picture"), "warning");
  return drop();
}

function take(file) {
  picked = file ?? null;
  parts.picked.hidden = !picked;
  if (picked) parts.picked.replaceChildren(el("span", { textContent: picked.name }), dropButton("drop", drop));
}

function drop() {
  take(null);
  parts.file.value = "";
}

const dropButton = (key, onclick) => el("button", { type: "button", textContent: "✕", "aria-label": t(key), title: t(key), onclick });

async function base64(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let signs = "";
  for (const byte of bytes) signs += String.fromCharCode(byte);
  return btoa(signs);
}

let list = null;
let field = null;

/** Opens the list where the text before the cursor ends in an @ and the beginning of a name. */
function offerMentions(text) {
  closeMentions();
  field = text;
  const begun = /(?<![A-Za-z0-9._%+-])@([^\s@]*)$/.exec(text.value.slice(0, text.selectionStart));
  if (!begun || openChat()?.kind === "p2p") return;
  const names = candidates().filter((name) => name.toLowerCase().startsWith(begun[1].toLowerCase()) && name !== begun[1]);
  if (!names.length) return;
  list = el("ul", { className: "mentions", id: "mentions", role: "listbox", "aria-label": t("mention") },
    ...names.map((name, place) => el("li", { role: "option", id: `mention-${place}`, textContent: name, onmousedown: (event) => {
      event.preventDefault();
      insertMention(name);
    } })));
  byId("composer").append(list);
  text.setAttribute("aria-controls", "mentions");
  point(0);
}

/** Moves in an open list by key; returns whether it handled the key. */
function mentionKeys(event) {
  if (!list) return false;
  const place = [...list.children].findIndex((entry) => entry.getAttribute("aria-selected") === "true");
  const count = list.children.length;
  switch (event.key) {
    case "ArrowDown": point((place + 1) % count); break;
    case "ArrowUp": point((place + count - 1) % count); break;
    case "Enter": case "Tab": insertMention(list.children[place].textContent); break;
    case "Escape": closeMentions(); break;
    default: return false;
  }
  event.preventDefault();
  return true;
}

function closeMentions() {
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

function insertMention(name) {
  const end = field.selectionStart;
  const begin = field.value.lastIndexOf("@", end - 1);
  field.setRangeText(`@${name} `, begin, end, "end");
  closeMentions();
  field.focus();
}
