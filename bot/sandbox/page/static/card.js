/** Draws a card of JSON 2.0 as Feishu's client does. */

import { drawAll } from "./components.js";
import { el } from "./dom.js";
import { markdown } from "./markdown.js";
import { t, worded } from "./store.js";

/** The card of a message; `message` gives its id and the facts of its pictures. */
export function card(message) {
  const { header, body, config } = message.content;
  const width = config?.width_mode ?? "default";
  const article = el("article", { className: `card width-${width}`, "aria-label": worded(header?.title) || t("card") });
  if (header) article.append(head(header));
  const around = { message, form: null };
  article.append(el("div", { className: "card-body" }, ...drawAll(body.elements, around)));
  return article;
}

/** What the list of chats shows of a card. */
export function summary(message) {
  const { header, config } = message.content;
  return worded(config?.summary) || worded(header?.title) || t("card");
}

function head({ title, subtitle, template, text_tag_list: tags }) {
  const words = (text) => (text.tag === "lark_md" ? markdown(worded(text)) : [worded(text)]);
  return el("header", { className: `card-head of-${template ?? "default"}` },
    el("h3", {}, ...words(title), (tags ?? []).map((tag) => el("span", { className: `text-tag in-${tag.color ?? "grey"}`, textContent: worded(tag.text) }))),
    subtitle ? el("p", {}, ...words(subtitle)) : null);
}
