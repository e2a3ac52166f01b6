/** Draws a card of JSON 2.0 as Feishu's client does, with the components that this bot sends. */

import { anchor, avatar, confirmed, el, openLink, option, picture, toast } from "./dom.js";
import { act, localized, nameOf, speaker, t } from "./store.js";

const LONGEST_NAME = 60;
/** The sides of a picture of `medium` size in pixels. */
const MEDIUM = { width: 80, height: 80, className: "sized" };
const SQUARE = { width: 1, height: 1 };

/**
 * The card of a message; `message` gives its id and the facts of its pictures. Its first plain text, the prompt of a
 * result, tells its controls and pictures from those of other cards.
 */
export function card(message) {
  const { header, body } = message.content;
  const title = localized(header?.title) || t("card");
  const about = body.elements.find(({ tag, text }) => tag === "div" && text?.tag === "plain_text");
  const around = { message, about: localized(about?.text).slice(0, LONGEST_NAME) || title };
  return el("article", { className: "card", "aria-label": title },
    header ? head(header) : null,
    el("div", { className: "card-body" }, drawAll(body.elements, around)));
}

/** What the list of chats shows of a card. */
export function summary({ content: { header, config } }) {
  return localized(config?.summary) || localized(header?.title) || t("card");
}

function head({ title, subtitle, template, text_tag_list: tags = [] }) {
  return el("header", { className: `card-head of-${template}` },
    el("h3", {}, localized(title), tags.map(({ text }) => el("span", { className: "text-tag", textContent: localized(text) }))),
    subtitle ? el("p", { textContent: localized(subtitle) }) : null);
}

const DRAW = {
  div: ({ text }) => el("p", { className: `text size-${text.text_size} in-${text.text_color}`, textContent: localized(text) }),
  markdown: (component) => el("div", { className: "markdown" }, localized(component).split("\n").map((line) => el("p", {}, inline(line)))),
  person: ({ user_id: id }) => el("p", { className: "person" }, avatar(nameOf(id)), ` ${nameOf(id)}`),
  img: ({ img_key: key, size, alt }, { message }) => picture(key, localized(alt), size === "medium" ? MEDIUM : message.uploads[key]),
  img_combination: combination,
  column_set: columns,
  form: ({ elements }, around) => el("form", { className: "card-form" }, drawAll(elements, around)),
  select_static: (component, around) => choices(component, around, localized(component.placeholder) || t("choose")),
  overflow: (component, around) => choices(component, around, t("more"), "⋯"),
  button, chart, input,
};

const drawAll = (components, around) => components.map((component) => draw(component, around));

function draw(component, around) {
  const build = DRAW[component.tag];
  return build ? build(component, around) : el("p", { className: "problem", textContent: t("not_drawn", { tag: component.tag }) });
}

/** Several pictures as one; the platform gives them no words, so they have the card's and a number. */
function combination({ img_list: images, combination_mode: mode }, { about }) {
  const drawn = images.map(({ img_key: key }, place) =>
    picture(key, t("picture_of", { title: about, number: place + 1, count: images.length }), SQUARE));
  return el("div", { className: `combination of-${mode}` }, drawn);
}

function columns({ flex_mode: mode, columns: list }, around) {
  return el("div", { className: `columns flex-${mode}` }, list.map(({ width, vertical_align: level, elements }) =>
    el("div", { className: `column level-${level} width-${width}` }, drawAll(elements, around))));
}

/** A bar chart: the values with their names. */
function chart({ chart_spec: { data, xField, yField } }) {
  const { values } = data;
  const most = Math.max(...values.map((value) => value[yField]), 1);
  // A bar has its words where there is room for them.
  const every = Math.ceil(values.length / 8);
  const bars = values.map((value, place) => {
    const words = (text) => (place % every === 0 ? text : "\u00a0");
    const bar = el("i");
    bar.style.height = `${(80 * value[yField]) / most}px`;
    return el("li", { title: `${value[xField]}: ${value[yField]}` },
      el("span", { textContent: words(value[yField]) }), bar, el("small", { textContent: words(value[xField]) }));
  });
  return el("ul", { className: "chart", tabIndex: 0, "aria-label": t("chart") }, bars);
}

/** A button: opens its link, or calls the bot; in a form it sends the form. */
function button(component, around) {
  return el("button", {
    type: "button",
    className: `card-button kind-${component.type} size-${component.size}`,
    textContent: localized(component.text),
    onclick: ({ currentTarget }) => pressed(component, around, currentTarget),
  });
}

/** A drop-down list or a menu; outside a form a choice calls the bot at once. */
function choices(component, around, label, shown = label) {
  const { tag, name, options, initial_option: chosen } = component;
  const onchange = async ({ currentTarget: node }) => {
    const choice = node.value;
    if (!choice || node.form) return;
    node.value = "";
    if (await agreed(component)) await call(component, around, { tag, option: choice });
  };
  return el("select", { className: `card-select of-${tag}`, name, "aria-label": `${label} · ${around.about}`, onchange },
    option("", shown), options.map(({ text, value }) => option(value, localized(text), value === chosen)));
}

/** A field to write in; its words travel with the form that it is in. */
function input({ name, default_value: value = "", rows = 1, placeholder, max_length: maxLength, required = false }, { about }) {
  const label = localized(placeholder);
  return el("textarea", { className: "card-input", name, value, rows, placeholder: label, maxLength, required, "aria-label": `${label} · ${about}` });
}

const agreed = async ({ confirm }) => !confirm || confirmed(localized(confirm.title), localized(confirm.text));

async function pressed(component, around, node) {
  const { form_action_type: action, behaviors } = component;
  if (action === "submit" && !node.form.checkValidity()) {
    toast(t("required"), "warning");
    return node.form.querySelector(":invalid").focus();
  }
  if (!(await agreed(component))) return undefined;
  const link = behaviors.find(({ type }) => type === "open_url");
  if (link) return openLink(link.default_url);
  const values = action === "submit" ? Object.fromEntries(new FormData(node.form)) : undefined;
  node.setAttribute("aria-busy", "true");
  await call(component, around, { tag: component.tag, form_value: values });
  return node.removeAttribute("aria-busy");
}

function call({ behaviors: [{ value }], name }, { message }, fields) {
  return act("press", { message_id: message.id, presser: speaker().id, value, name, ...fields });
}

const MARKUP = /(`[^`]+`|\*\*.+?\*\*|\[[^\]]+\]\(https?:\/\/[^\s)]+\))/;

/** The nodes of a line of markdown: code, bold words and links. */
function inline(text) {
  return text.split(MARKUP).map((part, place) => {
    if (place % 2 === 0) return part;
    if (part.startsWith("`")) return el("code", { textContent: part.slice(1, -1) });
    if (part.startsWith("**")) return el("strong", {}, inline(part.slice(2, -2)));
    const [, words, url] = /\[(.*)\]\((.*)\)/.exec(part);
    return anchor(url, words);
  });
}
