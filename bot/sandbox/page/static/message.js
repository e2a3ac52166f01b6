/** Draws one message of a chat. */

import { card, summary } from "./card.js";
import { anchor, avatar, clock, el, picture, sentShape } from "./dom.js";
import { act, called, nameOf, openChat, placeOf, set, speaker, state, t } from "./store.js";

/** The emoji that the bot and the page's own button use; others are shown by their names. */
const EMOJI = { THUMBSUP: "👍" };
/** Mentions, which come as keys, and links without the punctuation that follows them. */
const SIGNS = /@_all|@_user_\d+|https?:\/\/[^\s<>"'，。；：！？、（）《》“”]*[^\s<>"'，。；：！？、（）《》“”.,;:!?)]/g;

export function message(subject) {
  const name = nameOf(subject.sender);
  if (subject.recalled) return el("li", { className: "notice", "data-id": subject.id, textContent: t("recalled", { name }) });
  const own = subject.sender === speaker().id;
  const bot = subject.sender === state.bot.id;
  return el("li", { className: `message${own ? " own" : ""}`, "data-id": subject.id },
    avatar(name, { bot, place: placeOf(state.people, subject.sender) }),
    el("div", { className: "message-main" },
      el("p", { className: "message-head" },
        el("strong", { textContent: name }),
        bot ? el("span", { className: "badge", textContent: t("bot_badge") }) : null,
        el("time", { textContent: clock(subject.created) }),
        subject.thread_id && openChat()?.kind !== "topic" ? el("span", { textContent: t("in_thread") }) : null,
        actions(subject, own)),
      quote(subject),
      content(subject),
      reactions(subject)));
}

function reactions({ reactions: given }) {
  if (!given.length) return null;
  const shown = ({ emoji_type: kind, operator: by }) => el("span", { title: `${nameOf(by)}: ${kind}`, textContent: EMOJI[kind] ?? kind });
  return el("p", { className: "reactions" }, given.map(shown));
}

/** A message of the bot that Feishu refused, in the words of the platform. */
export function refusal({ id, code, message: words, call }) {
  return el("li", { className: "refusal", "data-id": id },
    el("p", {}, el("strong", { textContent: t(call === "patch" ? "refused_patch" : "refused_reply", { code }) })),
    el("p", { textContent: words }));
}

/** A message in one line of words. */
export function inShort(subject) {
  if (subject.recalled) return t("recalled", { name: nameOf(subject.sender) });
  switch (subject.msg_type) {
    case "text": return plain(subject.content.text, subject);
    case "post": return subject.content.content.flat().map((part) => (part.tag === "img" ? t("picture") : part.tag === "at" ? `@${called(part.user_name)}` : (part.text ?? ""))).join("");
    case "image": return t("picture");
    case "audio": return t("voice_message");
    case "file": return `${t("file")} ${fileName(subject)}`;
    default: return summary(subject);
  }
}

function quote(subject) {
  const source = state.messages.get(subject.parent_id);
  if (!source || (openChat()?.kind === "topic" && subject.parent_id === subject.root_id)) return null;
  return el("p", { className: "quote", textContent: t("quoting", { name: nameOf(source.sender), text: inShort(source) }) });
}

function content(subject) {
  switch (subject.msg_type) {
    case "text": return el("p", { className: "bubble" }, marked(subject.content.text, subject));
    case "post": return post(subject);
    case "image": return sent(subject.content.image_key, subject);
    case "audio": return el("p", { className: "bubble", textContent: `${t("voice_message")} ${t("seconds", { count: subject.content.duration / 1000 })}` });
    case "file": return file(subject);
    default: return card(subject);
  }
}

function post(subject) {
  return el("div", { className: "bubble" },
    subject.content.content.map((line) => el("p", {}, line.map((part) => rich(part, subject)))));
}

function rich(part, subject) {
  switch (part.tag) {
    case "img": return sent(part.image_key, subject);
    case "at": return at(called(part.user_name) ?? part.user_id);
    default: return el("span", {}, marked(part.text ?? "", subject));
  }
}

const sent = (key, { uploads }) => picture(key, sentShape(uploads[key]), t("picture"), "sent");

const fileName = ({ content: { file_key: key, file_name: name }, uploads }) => name ?? uploads[key]?.name ?? key;

function file(subject) {
  const key = subject.content.file_key;
  const facts = subject.uploads[key];
  const size = facts ? `${(facts.bytes / 1024).toFixed(0)} KB` : "";
  return el("a", { className: "file", href: `/uploads/${key}?save=1`, download: "", title: t("save_file") },
    el("span", { textContent: fileName(subject) }), el("small", { textContent: size }));
}

function actions(subject, own) {
  const action = (key, textContent, onclick) => el("button", { type: "button", "aria-label": t(key), title: t(key), textContent, onclick });
  const reply = t(openChat()?.kind === "topic" ? "reply_topic" : "reply");
  return el("span", { className: "message-actions" },
    el("button", { type: "button", textContent: reply, onclick: () => set("reply", subject.id) }),
    action("react", "👍", () => act("react", { message_id: subject.id, by: speaker().id, emoji_type: "THUMBSUP" })),
    own ? action("recall", t("recall"), () => act("recall", { message_id: subject.id, by: speaker().id })) : null);
}

const at = (name) => el("span", { className: "at", textContent: `@${name}` });

/** The pieces of a text: plain ones, mentions, and links. */
function pieces(text, { mentions }) {
  const found = [];
  let place = 0;
  for (const { 0: sign, index } of text.matchAll(SIGNS)) {
    const name = sign === "@_all" ? t("everybody") : called(mentions.find(({ key }) => key === sign)?.name);
    found.push({ text: text.slice(place, index) }, sign.startsWith("http") ? { link: sign } : name ? { name } : { text: sign });
    place = index + sign.length;
  }
  return [...found, { text: text.slice(place) }];
}

const plain = (text, subject) => pieces(text, subject).map(({ text: words, name, link }) => words ?? link ?? `@${name}`).join("");

function marked(text, subject) {
  return pieces(text, subject).map(({ text: words, name, link }) => words ?? (link ? anchor(link, [link]) : at(name)));
}
