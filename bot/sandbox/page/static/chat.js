/** The list of chats of whom the visitor speaks as, and the open one. */

import { sendExample } from "./composer.js";
import { avatar, byId, clock, el } from "./dom.js";
import { inShort, message, refusal } from "./message.js";
import { act, messagesOf, nameOf, on, openChat, ownChats, placeOf, refusals, set, speaker, state, t, titleOf } from "./store.js";

const NEAR = 120;
const FOCUSABLE = "button, select, input, textarea, a";

/** Keeps a chat open that the speaker has, draws it and the list, and follows the stream. */
export function startChats() {
  on("snapshot chat settings", drawChat);
  on("message refusal", take);
  on("snapshot settings", keepOpen);
  on("snapshot settings message chat", drawList);
}

/** Opens a chat; the bot gets an event of a direct one. */
function openIt(chat) {
  set("chat", chat.id);
  set("reply", null);
  if (chat.kind === "p2p") act("enter", { person: speaker().id });
}

function keepOpen() {
  const chats = ownChats();
  if (chats.length && !chats.some((chat) => chat.id === state.chat)) openIt(chats[0]);
}

function drawList() {
  const focused = document.activeElement?.dataset?.chat;
  byId("chats").replaceChildren(...ownChats().map(chatEntry));
  if (focused) byId("chats").querySelector(`[data-chat="${focused}"]`)?.focus();
}

function chatEntry(chat) {
  const last = messagesOf(chat.id).at(-1);
  const badge = { p2p: "bot_badge", group: "group_badge", topic: "topic_badge" }[chat.kind];
  const chosen = () => {
    openIt(chat);
    // On a phone that would open the keyboard over the chat.
    if (matchMedia("(hover: hover)").matches) byId("text").focus();
  };
  return el("li", {},
    el("button", { type: "button", className: "chat", "data-chat": chat.id, "aria-current": String(chat.id === state.chat), onclick: chosen },
      avatar(titleOf(chat), { bot: chat.kind === "p2p", place: placeOf(state.chats, chat.id) }),
      el("span", { className: "chat-words" },
        el("span", { className: "chat-top" }, el("strong", { textContent: titleOf(chat) }), el("span", { className: "badge", textContent: t(badge) }),
          last ? el("time", { textContent: clock(last.created) }) : null),
        el("span", { className: "chat-last", textContent: last ? inShort(last) : t("nothing_yet") }))));
}

function drawChat() {
  const chat = openChat();
  if (!chat) return;
  byId("chat-name").textContent = titleOf(chat);
  byId("chat-about").textContent = t(chat.kind === "p2p" ? "direct" : chat.kind, { count: chat.members.length });
  const log = byId("log");
  log.replaceChildren();
  const said = [...messagesOf(chat.id), ...refusals().filter((one) => one.chat_id === chat.id)];
  said.sort((one, other) => one.created - other.created).forEach(place);
  if (!said.length) log.append(hint());
  toEnd();
}

function take(subject) {
  if (subject.chat_id !== state.chat) return;
  const shown = byId("log").querySelector(`[data-id="${subject.id}"]`);
  if (shown) replace(shown, entry(subject));
  else add(subject);
  if (!subject.call && subject.sender !== speaker().id) byId("news").textContent = `${nameOf(subject.sender)}: ${inShort(subject)}`;
}

/** Adds what is new and leaves the rest alone, as somebody may be filling in a form there. */
function add(subject) {
  const low = isLow();
  byId("log").querySelector(".hint")?.remove();
  const added = place(subject);
  const before = added.previousElementSibling;
  if (subject.sender === speaker().id || (before ? isRead(before) : low)) bring(added);
}

/** Puts a message to the end of its topic, or of the chat; gives its entry. */
function place(subject) {
  const log = byId("log");
  const topics = openChat().kind === "topic";
  const thread = topics ? (subject.thread_id ?? subject.id) : "all";
  let list = log.querySelector(`[data-thread="${thread}"]`);
  if (!list) {
    list = el("ol", { className: topics ? "thread" : "", "data-thread": thread });
    log.append(list);
  }
  list.append(entry(subject));
  return list.lastElementChild;
}

const entry = (subject) => (subject.call ? refusal(subject) : message(subject));

function replace(shown, next) {
  const [low, read] = [isLow(), isRead(shown)];
  const focused = [...shown.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
  shown.replaceWith(next);
  // Who works by keyboard must not lose the place when a card changes under their hands.
  if (focused >= 0) (next.querySelectorAll(FOCUSABLE)[focused] ?? byId("log")).focus({ preventScroll: true });
  if (low) toEnd();
  else if (read) bring(next);
}

function bring(shown) {
  if (shown.nextElementSibling || shown.parentElement.nextElementSibling) shown.scrollIntoView({ block: "nearest" });
  else toEnd();
}

const toEnd = () => byId("log").scrollTo(0, byId("log").scrollHeight);

const isLow = () => isRead(byId("log").lastElementChild);

function isRead(shown) {
  const [{ bottom: end }, { top, bottom }] = [shown, byId("log")].map((one) => one.getBoundingClientRect());
  return end > top && end < bottom + NEAR;
}

function hint() {
  const examples = ["example_1", "example_2", "example_3"].map((key) => el("button", { type: "button", textContent: t(key), onclick: () => sendExample(t(key)) }));
  return el("div", { className: "hint" }, el("p", { textContent: t("hint") }), examples, el("small", { textContent: t("limits") }));
}
