/** The page's state: what the stream sends, and the visitor's own settings. */

import { ENGLISH_NAMES, WORDS } from "./words.js";

const MOST_WIRES = 200;
/** The codes for what is in a message; with others the bot may try again, and the chat shows nothing of them. */
const CONTENT_CODES = [230001, 230022, 230025, 230028, 230055, 230099];

const listeners = new Map();

export const state = {
  bot: { id: "", open_id: "", name: "" },
  people: [],
  chats: [],
  messages: new Map(),
  wires: new Map(),
  queue: [],
  switches: {},
  choices: { faults: [], real_glm: false, image_host: null },
  connected: true,
  chat: null,
  reply: null,
  settings: { speaker: null, language: "speaker", theme: "system", ...JSON.parse(localStorage.getItem("sandbox") ?? "{}") },
};

/** Calls `listener` whenever one of the named things changed. */
export function on(names, listener) {
  for (const name of names.split(" ")) listeners.set(name, [...(listeners.get(name) ?? []), listener]);
}

export function emit(name, subject) {
  for (const listener of listeners.get(name) ?? []) listener(subject);
}

/** Changes a part of the state, and says so. */
export function set(name, value) {
  state[name] = value;
  emit(name);
}

/** Changes one of the visitor's settings and keeps it in this browser. */
export function choose(name, value) {
  state.settings[name] = value;
  localStorage.setItem("sandbox", JSON.stringify(state.settings));
  emit("settings", name);
}

/** Who the visitor speaks as: whom they chose, or the first person who reads the browser's language. */
export function speaker() {
  const { people, settings } = state;
  return people.find(({ id }) => id === settings.speaker) ?? people.find((person) => person.language === browserLanguage());
}

/** The browser's own language, of the two that there are. */
const browserLanguage = () => (navigator.language.startsWith("zh") ? "zh" : "en");

/** The reader's language: "zh" or "en". */
export function language() {
  return state.settings.language === "speaker" ? (speaker()?.language ?? browserLanguage()) : state.settings.language;
}

/** One of the page's sentences in the reader's language, its {placeholders} filled. */
export function t(key, values = {}) {
  const sentence = WORDS[key][language() === "zh" ? 0 : 1];
  return sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** A text of a card or of a toast in the reader's language. */
export function localized({ content, i18n_content, i18n = i18n_content } = {}) {
  return i18n?.[language() === "zh" ? "zh_cn" : "en_us"] ?? content ?? Object.values(i18n ?? {})[0] ?? "";
}

/** What something of that name is called in the reader's language. */
export const called = (name) => (language() === "en" ? (ENGLISH_NAMES[name] ?? name) : name);

export function nameOf(id) {
  return id === state.bot.id ? called(state.bot.name) : (state.people.find((person) => person.id === id)?.name ?? id);
}

/** The index of an entry in its list, which decides its colour. */
export const placeOf = (list, id) => Math.max(list.findIndex((one) => one.id === id), 0);

export const openChat = () => state.chats.find((chat) => chat.id === state.chat);

export const ownChats = () => state.chats.filter((chat) => chat.members.includes(speaker()?.id));

/** What a chat is called in the list: a direct one by the bot's name. */
export const titleOf = (chat) => called(chat.kind === "p2p" ? state.bot.name : chat.name);

export const messagesOf = (chatId) => [...state.messages.values()].filter((message) => message.chat_id === chatId);

let stream = null;

/** Keeps the stream open while the page is seen: a browser has six connections for all of its tabs. */
export function connect() {
  document.addEventListener("visibilitychange", follow);
  follow();
}

/** Opens or closes the stream; the browser opens it again by itself, and each time it begins with everything. */
function follow() {
  stream?.close();
  if (document.visibilityState === "hidden") return;
  stream = new EventSource("/stream");
  const listen = (name, take) => stream.addEventListener(name, (event) => take(JSON.parse(event.data)));
  stream.addEventListener("open", () => set("connected", true));
  stream.addEventListener("error", () => set("connected", false));
  listen("snapshot", takeSnapshot);
  listen("message", takeMessage);
  listen("wire", takeWire);
  listen("toast", (answer) => emit("toast", answer));
  listen("queue", (queue) => set("queue", queue));
  listen("switches", (switches) => set("switches", switches));
}

/** Sends an act; shows a toast and returns null where it was refused. */
export async function act(name, fields) {
  try {
    const answer = await fetch(`/do/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(fields),
    });
    const body = await answer.json();
    if (answer.ok) return body;
    emit("refused", body.sentence ?? "failed");
  } catch (error) {
    console.warn(name, error);
    emit("refused", "not_connected");
  }
  return null;
}

/** Takes everything at first; a tab that is seen again keeps its view and adds what it missed. */
function takeSnapshot({ messages, wires, ...rest }) {
  const isFirst = !state.bot.id;
  const ids = new Set(messages.map(({ id }) => id));
  // Another sandbox answers under this address now.
  if ([...state.messages.keys()].some((id) => !ids.has(id))) return location.reload();
  const isNew = (known) => (one) => JSON.stringify(known.get(one.id)) !== JSON.stringify(one);
  Object.assign(state, rest);
  messages.filter(isNew(state.messages)).forEach(takeMessage);
  wires.filter(isNew(state.wires)).forEach(takeWire);
  emit(isFirst ? "snapshot" : "queue");
  return emit("switches");
}

function takeMessage(message) {
  state.messages.set(message.id, message);
  emit("message", message);
}

function takeWire(wire) {
  state.wires.set(wire.id, wire);
  if (state.wires.size > MOST_WIRES) state.wires.delete(state.wires.keys().next().value);
  emit("wire", wire);
  const refusal = refusalOf(wire);
  if (refusal) emit("refusal", refusal);
}

/** The messages of the bot that Feishu refused for what is in them. */
export const refusals = () => [...state.wires.values()].map(refusalOf).filter(Boolean);

/** Where a message of refused content would have been, and why it was refused; null for any other call. */
function refusalOf({ id, at, way, name, code, path, body, answer }) {
  if (way !== "feishu" || !CONTENT_CODES.includes(code) || !["create", "reply", "patch"].includes(name)) return null;
  const source = state.messages.get(/\/messages\/(om_\w+)/.exec(path)?.[1]);
  const chat = source?.chat_id ?? /"receive_id"\s*:\s*"(\w+)"/.exec(body)?.[1];
  return { id, created: at, chat_id: chat, thread_id: source?.thread_id, code, call: name, message: JSON.parse(answer).msg };
}
