/** Where the visitor writes: words, mentions, rich text, a picture, a voice message or a file, and what it replies to. */

import { byId, el } from "./dom.js";
import { inShort } from "./message.js";
import { act, nameOf, on, openChat, set, speaker, state, t } from "./store.js";

const VOICE_SECONDS = 2;

let picked = null;
const parts = {};

/** Draws the composer and keeps it in the reader's language. */
export function startComposer() {
  const button = (key, textContent, onclick) =>
    el("button", { type: "button", "data-label": key, "data-title": key, textContent, onclick });
  parts.reply = el("p", { className: "replying", hidden: true });
  parts.picked = el("p", { className: "picked", hidden: true });
  parts.text = el("textarea", { id: "text", rows: 2, onkeydown: keyed, oninput: offerMentions });
  parts.mention = button("mention", "@", startMention);
  parts.rich = button("rich", "Aa", () => parts.rich.setAttribute("aria-pressed", String(!isRich())));
  parts.rich.setAttribute("aria-pressed", "false");
  parts.file = el("input", { type: "file", className: "unseen", tabIndex: -1, "aria-hidden": "true", onchange: () => take(parts.file.files[0]) });
  const attach = button("attach", "＋", () => parts.file.click());
  const voice = button("voice", "", () => message({ voice: VOICE_SECONDS }));
  voice.dataset.word = "voice_short";
  const submit = el("button", { type: "submit", className: "primary", "data-word": "send" });
  const row = el("p", { className: "composer-row" }, parts.mention, parts.rich, attach, voice, parts.file, submit);
  byId("composer").append(parts.reply, parts.picked, parts.text, row);
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  on("snapshot chat settings reply", draw);
  on("chat settings", closeMentions);
  on("reply", () => state.reply && parts.text.focus());
}

/** Says one of the examples at once, mentioning the bot where that is needed. */
export function sendExample(text) {
  return message({ text: openChat().kind === "p2p" ? text : `@${nameOf(state.bot.id)} ${text}` });
}

const isRich = () => parts.rich.getAttribute("aria-pressed") === "true";

function draw() {
  const chat = openChat();
  if (!chat) return;
  const source = state.messages.get(state.reply);
  parts.text.placeholder = t(source ? "write_reply" : chat.kind === "p2p" ? "write_direct" : `write_${chat.kind}`, { bot: nameOf(state.bot.id) });
  parts.text.setAttribute("aria-label", parts.text.placeholder);
  parts.mention.hidden = chat.kind === "p2p";
  parts.reply.hidden = !source;
  if (source) {
    const words = t("quoting", { name: nameOf(source.sender), text: inShort(source) });
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
  set("reply", null);
  parts.text.focus();
}

async function send() {
  const [text, file] = [parts.text.value.trim(), picked];
  if (!text && !file) return;
  closeMentions();
  const sending = message({ text }, file);
  // The field is emptied at once: text typed while the answer is awaited must not be lost.
  parts.text.value = "";
  take(null);
  if (state.reply) stopReply();
  if ((await sending) || parts.text.value || picked) return;
  parts.text.value = text;
  take(file);
}

/** Says words or sends a file in the open chat and to what is replied to; a picture goes with the words. */
async function message(what, file = null) {
  const source = state.messages.get(state.reply);
  return act("say", {
    chat: state.chat,
    sender: speaker().id,
    bot: nameOf(state.bot.id),
    everybody: t("everybody"),
    rich: isRich(),
    // In a topic group a reply is one to the topic.
    quote: openChat().kind === "topic" ? (source?.root_id ?? source?.id) : source?.id,
    ...what,
    ...(file ? { file: await base64(file), name: file.name } : {}),
  });
}

function take(file) {
  picked = file ?? null;
  parts.picked.hidden = !picked;
  if (picked) parts.picked.replaceChildren(el("span", { textContent: picked.name }), dropButton("drop", () => take(null)));
  else parts.file.value = "";
}

const dropButton = (key, onclick) => el("button", { type: "button", textContent: "✕", "aria-label": t(key), title: t(key), onclick });

async function base64(file) {
  const signs = Array.from(new Uint8Array(await file.arrayBuffer()), (byte) => String.fromCharCode(byte));
  return btoa(signs.join(""));
}

let list = null;

function startMention() {
  parts.text.setRangeText("@", parts.text.selectionStart, parts.text.selectionEnd, "end");
  parts.text.focus();
  offerMentions();
}

/** Opens the list where the text before the cursor ends in an @ and the beginning of a name. */
function offerMentions() {
  closeMentions();
  const { text } = parts;
  const begun = /(?<![A-Za-z0-9._%+-])@([^\s@]*)$/.exec(text.value.slice(0, text.selectionStart));
  if (!begun || openChat()?.kind === "p2p") return;
  const members = openChat().members.filter((id) => id !== speaker().id).map(nameOf);
  const names = [nameOf(state.bot.id), ...members, t("everybody")]
    .filter((name) => name.toLowerCase().startsWith(begun[1].toLowerCase()) && name !== begun[1]);
  if (!names.length) return;
  list = el("ul", { className: "mentions", id: "mentions", role: "listbox", "aria-label": t("mention") },
    names.map((name, place) => el("li", { role: "option", id: `mention-${place}`, textContent: name, onclick: () => insertMention(name) })));
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
  parts.text.removeAttribute("aria-activedescendant");
  parts.text.removeAttribute("aria-controls");
}

function point(place) {
  [...list.children].forEach((entry, number) => entry.setAttribute("aria-selected", String(number === place)));
  parts.text.setAttribute("aria-activedescendant", `mention-${place}`);
}

function insertMention(name) {
  const end = parts.text.selectionStart;
  parts.text.setRangeText(`@${name} `, parts.text.value.lastIndexOf("@", end - 1), end, "end");
  closeMentions();
  parts.text.focus();
}
