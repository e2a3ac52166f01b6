/** Draws one message of a chat. */

import { card, summary } from "./card.js";
import { anchor, avatar, clock, el, picture } from "./dom.js";
import { act, called, nameOf, openChat, placeOf, set, speaker, state, t } from "./store.js";

const HIGHEST = 240;
/** The emoji that the bot and the page's own button use; others are shown by their names. */
const EMOJI = { THUMBSUP: "👍" };
/** Mentions, which come as keys, and links without the punctuation that follows them. */
const SIGNS = /(@_all|@_user_\d+|https?:\/\/[^\s<>"'，。；：！？、（）《》“”]*[^\s<>"'，。；：！？、（）《》“”.,;:!?)])/;

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
    case "text": case "post": return paragraphs(subject).flat().map(inWords).join("");
    case "image": return t("picture");
    case "audio": return t("voice_message");
    case "file": return `${t("file")} ${subject.uploads[subject.content.file_key].name}`;
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
    case "text": case "post": return el("div", { className: "bubble" },
      paragraphs(subject).map((pieces) => el("p", {}, pieces.map((piece) => drawn(piece, subject)))));
    case "image": return drawn({ image: subject.content.image_key }, subject);
    case "audio": return el("p", { className: "bubble", textContent: `${t("voice_message")} ${t("seconds", { count: subject.content.duration / 1000 })}` });
    case "file": return file(subject);
    default: return card(subject);
  }
}

/** A picture that was sent as it is: never enlarged, and not too high for the conversation around it. */
function sent(key, { width, height }) {
  const scale = Math.min(1, HIGHEST / height);
  return picture(key, t("picture"), { width: Math.round(width * scale), height: Math.round(height * scale), className: "sent" });
}

function file({ content: { file_key: key }, uploads }) {
  const { name, bytes } = uploads[key];
  return el("a", { className: "file", href: `/uploads/${key}?save=1`, download: "", title: t("save_file") },
    el("span", { textContent: name }), el("small", { textContent: `${(bytes / 1024).toFixed(0)} KB` }));
}

function actions(subject, own) {
  const action = (key, textContent, onclick) => el("button", { type: "button", "aria-label": t(key), title: t(key), textContent, onclick });
  const reply = t(openChat()?.kind === "topic" ? "reply_topic" : "reply");
  return el("span", { className: "message-actions" },
    el("button", { type: "button", textContent: reply, onclick: () => set("reply", subject.id) }),
    action("react", "👍", () => act("react", { message_id: subject.id, by: speaker().id, emoji_type: "THUMBSUP" })),
    own ? action("recall", t("recall"), () => act("recall", { message_id: subject.id, by: speaker().id })) : null);
}

/** The paragraphs of a text, which is one here, or of rich text: lists of words, links, mentions and pictures. */
function paragraphs({ content: { text: plain, content }, mentions }) {
  const parts = ({ tag, text, user_name: name, image_key: image }) =>
    tag === "img" ? { image } : tag === "at" ? { name: called(name) } : pieces(text, mentions);
  return content ? content.map((line) => line.flatMap(parts)) : [pieces(plain, mentions)];
}

/** The pieces of a text: words, mentions, and links. */
function pieces(text, mentions) {
  return text.split(SIGNS).map((part, place) => {
    if (place % 2 === 0) return { text: part };
    if (part.startsWith("http")) return { link: part };
    const name = part === "@_all" ? t("everybody") : called(mentions.find(({ key }) => key === part)?.name);
    return name ? { name } : { text: part };
  });
}

const inWords = ({ text, link, name, image }) => text ?? link ?? (image ? t("picture") : `@${name}`);

function drawn({ text, link, name, image }, { uploads }) {
  if (image) return sent(image, uploads[image]);
  if (name) return el("span", { className: "at", textContent: `@${name}` });
  return link ? anchor(link, [link]) : text;
}
