/** The list of chats of whom the visitor speaks as. */

import { avatar, byId, clock, el } from "./dom.js";
import { inShort } from "./message.js";
import { messagesOf, on, ownChats, placeOf, speaker, state, t, tell, titleOf } from "./store.js";
import { act } from "./wire.js";

/** Draws the list, and keeps a chat open that the speaker has. */
export function startChats() {
  on("snapshot settings", keepOpen);
  on("snapshot settings message chat", draw);
}

/** Opens a chat; Feishu tells the bot when it is a direct one. */
function openIt(chat) {
  state.chat = chat.id;
  state.reply = null;
  tell("chat");
  tell("reply");
  if (chat.kind === "p2p") act("enter", { person: speaker().id });
}

function keepOpen() {
  const chats = ownChats();
  if (chats.length && !chats.some((chat) => chat.id === state.chat)) openIt(chats[0]);
}

function draw() {
  const focused = document.activeElement?.dataset?.chat;
  byId("chats").replaceChildren(...ownChats().map(entry));
  if (focused) byId("chats").querySelector(`[data-chat="${focused}"]`)?.focus();
}

function entry(chat) {
  const last = messagesOf(chat.id).at(-1);
  const badge = { p2p: "bot_badge", group: "group_badge", topic: "topic_badge" }[chat.kind];
  return el("li", {}, el("button", {
    type: "button",
    className: "chat",
    "data-chat": chat.id,
    "aria-current": String(chat.id === state.chat),
    onclick: () => {
      openIt(chat);
      // On a phone that would open the keyboard over the chat.
      if (matchMedia("(hover: hover)").matches) byId("text").focus();
    },
  },
  avatar(titleOf(chat), { bot: chat.kind === "p2p", place: placeOf(state.chats, chat.id) }),
  el("span", { className: "chat-words" },
    el("span", { className: "chat-top" }, el("strong", { textContent: titleOf(chat) }), el("span", { className: "badge", textContent: t(badge) }),
      last ? el("time", { textContent: clock(last.created) }) : null),
    el("span", { className: "chat-last", textContent: last ? inShort(last) : t("nothing_yet") }))));
}
