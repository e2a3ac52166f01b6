/** Where the visitor writes: words, mentions, rich text, a picture, and what it replies to. */

import { byId, el } from "./dom.js";
import { closeMentions, mentionKeys, offerMentions } from "./mentions.js";
import { inShort } from "./message.js";
import { nameOf, on, openChat, speaker, state, t, tell } from "./store.js";
import { act } from "./wire.js";

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
  on("reply", () => state.reply && parts.text.focus());
}

/** Says one of the examples at once, mentioning the bot where that is needed. */
export function sendExample(text) {
  const chat = openChat();
  return say(chat.kind === "p2p" ? text : `@${state.bot.name} ${text}`);
}

function draw() {
  const chat = openChat();
  if (!chat) return;
  const source = state.messages.get(state.reply);
  parts.text.placeholder = t(source ? "write_reply" : chat.kind === "p2p" ? "write_direct" : `write_${chat.kind}`, { bot: state.bot.name });
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
  if (mentionKeys(event)) return;
  if (event.key === "Escape" && state.reply) stopReply();
  // Enter also ends the choice of an input method, which must not send half a sentence.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    send();
  }
}

function stopReply() {
  state.reply = null;
  tell("reply");
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
  const text = parts.text.value.trim();
  if (!text && !picked) return;
  closeMentions();
  const sending = picked ? sendPicture(text, picked) : say(text);
  // The field is emptied at once: whoever types on while the answer is awaited must not lose it.
  parts.text.value = "";
  drop();
  if (state.reply) stopReply();
  if (!(await sending) && !parts.text.value) parts.text.value = text;
}

async function sendPicture(text, file) {
  const said = fields(text);
  return act("picture", { ...said, picture: await base64(file) });
}

function say(text) {
  const place = {};
  const source = state.messages.get(state.reply);
  if (source && openChat().kind === "topic") place.thread = source.thread;
  else if (source) place.quote = source.id;
  return act("say", { ...fields(text), ...place, rich: parts.rich.getAttribute("aria-pressed") === "true" });
}

function fields(text) {
  const named = [[state.bot.open_id, state.bot.name], ...state.people.map((person) => [person.id, person.name])];
  const mentions = named.filter(([, name]) => text.includes(`@${name}`)).map(([id]) => id);
  return { chat: state.chat, sender: speaker().id, text, mentions, everybody: `@${t("everybody")}` };
}

function pick() {
  [picked] = parts.file.files;
  if (!picked) return;
  parts.picked.hidden = false;
  parts.picked.replaceChildren(el("span", { textContent: picked.name }), dropButton("drop", drop));
}

function drop() {
  picked = null;
  parts.file.value = "";
  parts.picked.hidden = true;
}

const dropButton = (key, onclick) => el("button", { type: "button", textContent: "✕", "aria-label": t(key), title: t(key), onclick });

async function base64(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let signs = "";
  for (const byte of bytes) signs += String.fromCharCode(byte);
  return btoa(signs);
}
