/** Draws a card of JSON 2.0 as Feishu's client does. */

import { anchor, avatar, confirmed, el, openLink, option, picture, toast } from "./dom.js";
import { act, localized, nameOf, speaker, t } from "./store.js";

const LONGEST_NAME = 60;

/**
 * The card of a message; `message` gives its id and the facts of its pictures. Its first plain text, the prompt of a
 * result, tells its controls and pictures from those of other cards.
 */
export function card(message) {
  const { header, body, config } = message.content;
  const title = localized(header?.title) || t("card");
  const about = body.elements.find(({ tag, text }) => tag === "div" && text?.tag === "plain_text");
  const around = { message, about: localized(about?.text).slice(0, LONGEST_NAME) || title, form: null };
  return el("article", { className: `card width-${config?.width_mode ?? "default"}`, "aria-label": title },
    header ? head(header) : null,
    el("div", { className: "card-body" }, drawAll(body.elements, around)));
}

/** What the list of chats shows of a card. */
export function summary({ content: { header, config } }) {
  return localized(config?.summary) || localized(header?.title) || t("card");
}

function head({ title, subtitle, template, text_tag_list: tags = [] }) {
  const tag = ({ text, color }) => el("span", { className: `text-tag ${inColour(color ?? "grey")}`, textContent: localized(text) });
  return el("header", { className: `card-head of-${template ?? "default"}` },
    el("h3", {}, words(title), tags.map(tag)), subtitle ? el("p", {}, words(subtitle)) : null);
}

const DRAW = {
  div, img, button, input, form, chart, overflow,
  markdown: (component) => el("div", { className: `markdown ${look(component)}` }, markdown(localized(component))),
  hr: () => el("hr"),
  img_combination: combination,
  select_static: select,
  column_set: columns,
  collapsible_panel: panel,
  interactive_container: container,
  person: ({ user_id: id, ...how }) => people([{ id }], how),
  person_list: ({ persons, ...how }) => people(persons, how),
};

const drawAll = (components, around) => components.map((component) => draw(component, around));

function draw(component, around) {
  const build = DRAW[component.tag];
  return build ? build(component, around) : el("p", { className: "problem", textContent: t("not_drawn", { tag: component.tag }) });
}

function look({ text_size: size, text_align: align, text_color: colour }) {
  return ["text", size ? `size-${size}` : "", align ? `align-${align}` : "", inColour(colour)].join(" ");
}

/** The nodes of a text element, of which only `lark_md` and `markdown` are markup. */
const words = (text) => (/md|markdown/.test(text?.tag) ? markdown(localized(text)) : [localized(text)]);

function div({ text }) {
  return el(/md/.test(text?.tag) ? "div" : "p", text ? { className: look(text) } : {}, words(text));
}

function people(persons, { show_name: named = true, show_avatar: pictured = true }) {
  return el("p", { className: "people" }, persons.map(({ id }) => el("span", {}, pictured ? avatar(nameOf(id)) : null, named ? ` ${nameOf(id)}` : null)));
}

/**
 * The sides of the sizes that have a name, in pixels, and how many times as high as wide a stretched picture may be.
 * https://open.feishu.cn/document/feishu-cards/card-json-v2-components/content-components/image
 */
const SIDES = { tiny: 16, small: 40, medium: 80, large: 160 };
const TALLEST = 16 / 9;

function img(component, { message }) {
  const { img_key: key, preview, corner_radius: radius } = component;
  const drawn = picture(key, shapeOf(component, message.uploads[key]), localized(component.alt), { enlarges: preview !== false });
  drawn.style.borderRadius = radius ?? "";
  const title = localized(component.title);
  return title ? el("div", { className: "titled" }, el("p", { textContent: title }), drawn) : drawn;
}

/** How a picture is cut and how large it is: `size` counts only where it may be cut, the default. */
function shapeOf({ scale_type: scale = "crop_center", size = "stretch" }, facts) {
  if (scale === "fit_horizontal") return facts;
  const cut = scale === "crop_top" ? "cut from-top" : "cut";
  if (size === "stretch") return facts && { ...facts, height: Math.min(facts.height, facts.width * TALLEST), cut };
  const [width, height = width] = size in SIDES ? [SIDES[size]] : size.split(" ").map((side) => parseInt(side, 10));
  return { width, height, cut: `${cut} sized` };
}

/** Several pictures as one; the platform gives them no words, so they have the card's and a number. */
function combination({ img_list: images, combination_mode: mode }, { about }) {
  const drawn = images.map(({ img_key: key }, place) =>
    picture(key, { width: 1, height: 1, cut: "cut" }, t("picture_of", { title: about, number: place + 1, count: images.length })));
  return el("div", { className: `combination of-${mode}` }, drawn);
}

function columns({ flex_mode: mode = "none", columns: list = [] }, around) {
  return el("div", { className: `columns flex-${mode}` }, list.map(({ width, weight = 1, vertical_align: level = "top", elements = [] }) =>
    el("div", { className: `column level-${level}${width === "weighted" ? ` weight-${weight}` : ""}` }, drawAll(elements, around))));
}

function form({ elements }, around) {
  const fields = el("form", { className: "card-form", noValidate: true, onsubmit: (event) => event.preventDefault() });
  fields.append(...drawAll(elements, { ...around, form: fields }));
  return fields;
}

function panel({ header, expanded, elements = [] }, around) {
  return el("details", { className: "fold", open: Boolean(expanded) }, el("summary", {}, words(header.title)), drawAll(elements, around));
}

function container(component, around) {
  const press = (event) => event.target.closest("button, select, input, textarea, a") || pressed(component, around, node);
  const node = el("div", { className: `container${component.has_border ? " bordered" : ""}`, onclick: press }, drawAll(component.elements, around));
  return node;
}

/** A bar chart, whatever kind it asks for: the values with their names. */
function chart({ chart_spec: { data, xField, yField, title } }) {
  const values = [data].flat().flatMap((series) => series.values ?? []);
  const [name, size] = [[xField].flat()[0] ?? "x", [yField].flat()[0] ?? "y"];
  const most = Math.max(...values.map((value) => Number(value[size])), 1);
  // A bar has its words where there is room for them.
  const every = Math.ceil(values.length / 8);
  const bars = values.map((value, place) => {
    const shown = place % every === 0;
    const bar = el("i");
    bar.style.height = `${(80 * value[size]) / most}px`;
    return el("li", { title: `${value[name]}: ${value[size]}` }, el("span", { textContent: shown ? value[size] : "\u00a0" }), bar, el("small", { textContent: shown ? value[name] : "\u00a0" }));
  });
  return el("figure", { className: "chart" }, title?.text ? el("figcaption", { textContent: title.text }) : null, el("ul", { tabIndex: 0, "aria-label": title?.text ?? t("chart") }, bars));
}

/** A button: opens its link, or calls the bot; in a form it sends or empties the form. */
function button(component, around) {
  const node = el("button", {
    type: "button",
    className: `card-button kind-${component.type ?? "default"} size-${component.size ?? "medium"}`,
    disabled: Boolean(component.disabled),
    title: localized(component.hover_tips ?? component.disabled_tips),
    textContent: localized(component.text),
    onclick: () => pressed(component, around, node),
  });
  return node;
}

/** A drop-down list; outside a form a choice calls the bot at once. */
function select(component, around) {
  const label = localized(component.placeholder) || t("choose");
  const { options } = component;
  const chosen = component.initial_option ?? options[(component.initial_index ?? 0) - 1]?.value ?? "";
  const node = chooser(component, around, label, options.map((one) => option(one.value, localized(one.text), one.value === chosen)));
  if (!around.form) onChoice(node, chosen, (choice) => call(component, around, { tag: "select_static", option: choice }));
  return node;
}

/** A menu of further choices behind three dots. */
function overflow(component, around) {
  const { options } = component;
  const node = chooser(component, around, t("more"), options.map(({ text }, place) => option(String(place), localized(text))), "⋯");
  onChoice(node, "", async (choice) => {
    const { multi_url: link, value } = options[choice];
    if (link) return openLink(link.url ?? link.default_url);
    return (await agreed(component)) && call(component, around, { tag: "overflow", option: value });
  });
  return node;
}

function chooser({ name, disabled, required, tag }, { about }, label, options, shown = label) {
  const chosen = options.some((one) => one.selected);
  const empty = el("option", { value: "", textContent: shown, selected: !chosen });
  return el("select", { className: `card-select of-${tag}`, name: name ?? "", disabled: Boolean(disabled), required: Boolean(required), "aria-label": `${label} · ${about}` }, empty, options);
}

function onChoice(node, rest, choose) {
  node.addEventListener("change", () => {
    const choice = node.value;
    node.value = rest;
    if (choice) choose(choice);
  });
}

/** A field to write in, with its label; its words travel with the form that it is in. */
function input(component, { about }) {
  const several = component.input_type === "multiline_text";
  const { default_value: content, i18n_default_value: i18n_content } = component;
  const text = localized(component.label);
  const node = el(several ? "textarea" : "input", {
    name: component.name ?? "",
    value: localized({ content, i18n_content }),
    placeholder: localized(component.placeholder),
    maxLength: component.max_length ?? 1000,
    required: Boolean(component.required),
    disabled: Boolean(component.disabled),
    "aria-label": `${text || localized(component.placeholder) || component.name || ""} · ${about}`,
  });
  if (several) node.rows = component.rows ?? 4;
  return el("label", { className: `card-input at-${component.label_position ?? "top"}` }, text ? el("span", { textContent: text }) : null, node);
}

const agreed = async ({ confirm }) => !confirm || confirmed(localized(confirm.title), localized(confirm.text));

async function pressed(component, around, node) {
  const { form_action_type: action, behaviors = [] } = component;
  if (action === "reset") return around.form.reset();
  if (action === "submit" && !around.form.checkValidity()) {
    toast(t("required"), "warning");
    return around.form.querySelector(":invalid").focus();
  }
  if (!(await agreed(component))) return undefined;
  const link = behaviors.find(({ type }) => type === "open_url");
  if (link) openLink(link.default_url);
  const values = action === "submit" ? Object.fromEntries(new FormData(around.form)) : undefined;
  node.setAttribute("aria-busy", "true");
  await call(component, around, { tag: component.tag, form_value: values });
  return node.removeAttribute("aria-busy");
}

async function call({ behaviors = [], value, name }, { message }, fields) {
  const callback = behaviors.find(({ type }) => type === "callback");
  if (!callback && !value && !fields.form_value) return;
  await act("press", { message: message.id, presser: speaker().id, value: callback?.value ?? value, name, ...fields });
}

const ENTITIES = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'", nbsp: "\u00a0" };
const COLOURS = /^(grey|neutral|red|green|blue|orange|yellow|purple|violet|indigo|turquoise|wathet|lime|carmine)(-\d+)?$/;
const LAST_SIGN = 0x10ffff;

const tagged = (tag) => ([, text]) => el(tag, {}, inline(text));
const linked = ([, url, text]) => anchor(url, inline(text));

const INLINE = [
  [/^`([^`]+)`/, ([, code]) => el("code", { textContent: code })],
  [/^\*\*(.+?)\*\*/, tagged("strong")],
  [/^~~(.+?)~~/, tagged("s")],
  [/^\*([^*\n]+)\*/, tagged("em")],
  [/^\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/, ([, text, url]) => anchor(url, inline(text))],
  [/^<a href=['"]?(https?:\/\/[^'"\s>]+)['"]?>(.*?)<\/a>/, linked],
  [/^<font color=['"]?([\w-]+)['"]?>(.*?)<\/font>/s, ([, colour, text]) => el("span", { className: inColour(colour) }, inline(text))],
  [/^<text_tag color=['"]?([\w-]+)['"]?>(.*?)<\/text_tag>/, ([, colour, text]) => el("span", { className: `text-tag ${inColour(colour)}` }, inline(text))],
  [/^<at (?:user_)?ids?=['"]?([\w@]+)['"]?>(?:<\/at>)?/, ([, whom]) => el("span", { className: "at", textContent: `@${nameOf(whom)}` })],
  [/^<person id ?= ?['"]([\w]+)['"][^>]*>(?:<\/person>)?/, ([, whom]) => el("span", { className: "at", textContent: nameOf(whom) })],
  [/^<local_datetime millisecond=['"]?(\d+)['"]?[^>]*>(?:<\/local_datetime>)?/, ([, time]) => document.createTextNode(new Date(Number(time)).toLocaleString())],
  [/^<br\s*\/?>/, () => el("br")],
  [/^&(?:#(\d+)|(\w+));/, ([all, code, name]) => document.createTextNode((code ? signOf(Number(code)) : ENTITIES[name]) ?? all)],
];

function inColour(name) {
  const known = COLOURS.exec(name ?? "");
  return known ? `in-${known[1]}` : "";
}

const signOf = (code) => (code <= LAST_SIGN ? String.fromCodePoint(code) : undefined);

/** The nodes of a markdown text: headings, lists, quotes, rules, code blocks and paragraphs. */
function markdown(text) {
  const blocks = [];
  const lines = text.split("\n");
  while (lines.length) blocks.push(block(lines));
  return blocks;
}

function block(lines) {
  const line = lines.shift();
  if (line.startsWith("```")) {
    const end = lines.findIndex((other) => other.startsWith("```"));
    const code = lines.splice(0, end < 0 ? lines.length : end);
    lines.shift();
    return el("pre", {}, el("code", { textContent: code.join("\n") }));
  }
  if (/^(---|\*\*\*)\s*$/.test(line)) return el("hr");
  const heading = /^#{1,6}\s+(.*)/.exec(line);
  if (heading) return el("p", { className: "md-heading" }, inline(heading[1]));
  for (const [tag, mark] of [["ul", /^\s*[-*]\s+/], ["ol", /^\s*\d+\.\s+/]]) {
    if (!mark.test(line)) continue;
    const entries = [line];
    while (lines.length && mark.test(lines[0])) entries.push(lines.shift());
    return el(tag, {}, entries.map((entry) => el("li", {}, inline(entry.replace(mark, "")))));
  }
  if (line.startsWith("> ")) return el("blockquote", {}, inline(line.slice(2)));
  return el("p", {}, inline(line));
}

function inline(text) {
  const nodes = [];
  let plain = "";
  while (text) {
    const [build, match] = INLINE.map(([pattern, rule]) => [rule, pattern.exec(text)]).find(([, found]) => found) ?? [];
    const sign = match?.[0] ?? String.fromCodePoint(text.codePointAt(0));
    if (match) nodes.push(plain, build(match));
    plain = match ? "" : plain + sign;
    text = text.slice(sign.length);
  }
  return [...nodes, plain];
}
