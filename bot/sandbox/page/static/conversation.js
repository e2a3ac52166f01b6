/** The open chat: its messages in their order, threads in a topic group, and the hint for newcomers. */

import { byId, el } from "./dom.js";
import { inShort, message, refusal } from "./message.js";
import { messagesOf, nameOf, on, openChat, speaker, state, t, titleOf } from "./store.js";

const NEAR = 120;
const FOCUSABLE = "button, select, input, textarea, a";

/** Draws the chat and keeps it as the stream tells it; `sendExample` says one of the hint's prompts. */
export function startConversation(sendExample) {
  on("snapshot chat settings", () => drawChat(sendExample));
  on("message", take);
  on("refusal", (subject) => subject.chat === state.chat && add(subject));
}

function drawChat(sendExample) {
  const chat = openChat();
  if (!chat) return;
  byId("chat-name").textContent = titleOf(chat);
  byId("chat-about").textContent = t(chat.kind === "p2p" ? "direct" : chat.kind, { count: chat.members.length });
  const log = byId("log");
  log.replaceChildren();
  const said = [...messagesOf(chat.id), ...state.refusals.filter((one) => one.chat === chat.id)];
  said.sort((one, other) => one.created - other.created).forEach(place);
  if (!said.length) log.append(hint(sendExample));
  log.scrollTop = log.scrollHeight;
}

function take(subject) {
  if (subject.chat !== state.chat) return;
  const shown = byId("log").querySelector(`[data-id="${subject.id}"]`);
  if (shown) replace(shown, message(subject));
  else add(subject);
  if (subject.sender !== speaker().id) byId("news").textContent = `${nameOf(subject.sender)}: ${inShort(subject)}`;
}

/** Adds what is new and leaves the rest alone, as somebody may be filling in a form there. */
function add(subject) {
  const log = byId("log");
  const low = isLow(log) || subject.sender === speaker().id;
  log.querySelector(".hint")?.remove();
  place(subject);
  if (low) log.scrollTop = log.scrollHeight;
}

function place(subject) {
  const log = byId("log");
  const topics = openChat().kind === "topic";
  const thread = topics ? (subject.thread ?? subject.id) : "all";
  let list = log.querySelector(`[data-thread="${thread}"]`);
  if (!list) {
    list = el("ol", { className: topics ? "thread" : "", "data-thread": thread });
    log.append(list);
  }
  list.append(subject.call ? refusal(subject) : message(subject));
}

function replace(shown, next) {
  const log = byId("log");
  const low = isLow(log);
  const focused = [...shown.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
  shown.replaceWith(next);
  // Who works by keyboard must not lose the place when a card changes under their hands.
  if (focused >= 0) (next.querySelectorAll(FOCUSABLE)[focused] ?? log).focus({ preventScroll: true });
  if (low) log.scrollTop = log.scrollHeight;
}

const isLow = (log) => log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;

function hint(sendExample) {
  const examples = [1, 2, 3].map((number) => {
    const text = t(`example_${number}`);
    return el("button", { type: "button", textContent: text, onclick: () => sendExample(text) });
  });
  return el("div", { className: "hint" }, el("p", { textContent: t("hint") }), ...examples, el("small", { textContent: t("limits") }));
}
