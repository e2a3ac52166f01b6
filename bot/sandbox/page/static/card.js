/** Draws a card of JSON 2.0 as Feishu's client does. */

import { anchor, confirmed, el, openLink, option, picture, toast } from "./dom.js";
import { act, speaker, t, localized } from "./store.js";

/** The card of a message; `message` gives its id and the facts of its pictures. */
export function card(message) {
  const { header, body, config } = message.content;
  const width = config?.width_mode ?? "default";
  const article = el("article", { className: `card width-${width}`, "aria-label": localized(header?.title) || t("card") });
  if (header) article.append(head(header));
  const around = { message, form: null };
  article.append(el("div", { className: "card-body" }, ...drawAll(body.elements, around)));
  return article;
}

/** What the list of chats shows of a card. */
export function summary(message) {
  const { header, config } = message.content;
  return localized(config?.summary) || localized(header?.title) || t("card");
}

function head({ title, subtitle, template, text_tag_list: tags }) {
  const words = (text) => (text.tag === "lark_md" ? markdown(localized(text)) : [localized(text)]);
  return el("header", { className: `card-head of-${template ?? "default"}` },
    el("h3", {}, ...words(title), (tags ?? []).map((tag) => el("span", { className: `text-tag in-${tag.color ?? "grey"}`, textContent: localized(tag.text) }))),
    subtitle ? el("p", {}, ...words(subtitle)) : null);
}

/**
 * The sides of the sizes that have a name, in pixels, and how many times as high as wide a stretched picture may be.
 * https://open.feishu.cn/document/feishu-cards/card-json-v2-components/content-components/image
 */
const SIDES = { tiny: 16, small: 40, medium: 80, large: 160 };
const TALLEST = 16 / 9;

const DRAW = {
  div, img, button, input, form,
  markdown: markdownBlock,
  hr: () => el("hr"),
  img_combination: combination,
  select_static: select,
  column_set: columns,
  collapsible_panel: panel,
};

function drawAll(components, around) {
  return components.map((component) => draw(component, around));
}

function draw(component, around) {
  const build = DRAW[component.tag];
  return build ? build(component, around) : el("p", { className: "problem", textContent: t("not_drawn", { tag: component.tag }) });
}

function look({ text_size: size, text_align: align, text_color: colour }) {
  return ["text", size ? `size-${size}` : "", align ? `align-${align}` : "", inColour(colour)].join(" ");
}

function div({ text }) {
  if (!text) return el("div");
  if (text.tag === "lark_md") return el("div", { className: look(text) }, ...markdown(localized(text)));
  return el("p", { className: look(text), textContent: localized(text) });
}

function markdownBlock(component) {
  return el("div", { className: `markdown ${look(component)}` }, ...markdown(localized(component)));
}

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

function combination({ img_list: images }, { message }) {
  const drawn = images.map(({ img_key: key }) => picture(key, { width: 1, height: 1, cut: "cut" }, t("picture")));
  return el("div", { className: "combination" }, ...drawn);
}

function columns(component, around) {
  const mode = component.flex_mode ?? "none";
  const drawn = (component.columns ?? []).map((column) => {
    const weight = column.width === "weighted" ? ` weight-${column.weight ?? 1}` : "";
    return el("div", { className: `column${weight}` }, ...drawAll(column.elements ?? [], around));
  });
  return el("div", { className: `columns flex-${mode}` }, ...drawn);
}

function form(component, around) {
  const fields = el("form", { className: "card-form", noValidate: true, onsubmit: (event) => event.preventDefault() });
  fields.append(...drawAll(component.elements, { ...around, form: fields }));
  return fields;
}

function panel({ header, expanded, elements }, around) {
  const title = header.title?.tag === "markdown" ? markdown(localized(header.title)) : [localized(header.title)];
  return el("details", { className: "fold", open: Boolean(expanded) }, el("summary", {}, ...title), ...drawAll(elements ?? [], around));
}

/** A button: opens its link, or calls the bot; in a form it sends or empties the form. */
function button(component, around) {
  const kind = component.type ?? "default";
  const node = el("button", {
    type: "button",
    className: `card-button kind-${kind} size-${component.size ?? "medium"}`,
    disabled: Boolean(component.disabled),
    title: localized(component.hover_tips ?? component.disabled_tips),
    textContent: localized(component.text),
  });
  node.addEventListener("click", () => pressed(component, around, node));
  return node;
}

/** A drop-down list; outside a form a choice calls the bot at once. */
function select(component, around) {
  const label = localized(component.placeholder) || t("choose");
  const { options } = component;
  const chosen = component.initial_option ?? options[(component.initial_index ?? 0) - 1]?.value;
  const node = el("select", { className: "card-select", name: component.name ?? "", disabled: Boolean(component.disabled), required: Boolean(component.required), "aria-label": label });
  node.append(option("", label, !chosen), ...options.map((one) => option(one.value, localized(one.text), one.value === chosen)));
  if (!around.form) {
    node.addEventListener("change", async () => {
      const choice = node.value;
      node.value = chosen ?? "";
      if (choice) await call(component, around, { tag: "select_static", option: choice });
    });
  }
  return node;
}

/** A field to write in, with its label; its words travel with the form that it is in. */
function input(component) {
  const several = component.input_type === "multiline_text";
  const text = localized(component.label);
  const node = el(several ? "textarea" : "input", {
    name: component.name ?? "",
    value: component.i18n_default_value ? localized({ content: component.default_value, i18n_content: component.i18n_default_value }) : (component.default_value ?? ""),
    placeholder: localized(component.placeholder),
    maxLength: component.max_length ?? 1000,
    required: Boolean(component.required),
    disabled: Boolean(component.disabled),
    "aria-label": text || localized(component.placeholder) || component.name || "",
  });
  if (several) node.rows = component.rows ?? 4;
  return el("label", { className: `card-input at-${component.label_position ?? "top"}` }, text ? el("span", { textContent: text }) : null, node);
}

async function pressed(component, around, node) {
  const { confirm, form_action_type: action } = component;
  if (action === "reset") return around.form.reset();
  if (action === "submit" && !around.form.checkValidity()) {
    toast(t("required"), "warning");
    return around.form.querySelector(":invalid").focus();
  }
  if (confirm && !(await confirmed(localized(confirm.title), localized(confirm.text)))) return undefined;
  const link = component.behaviors?.find((behaviour) => behaviour.type === "open_url");
  if (link) openLink(link.default_url);
  const form = action === "submit" ? Object.fromEntries(new FormData(around.form)) : undefined;
  node.setAttribute("aria-busy", "true");
  await call(component, around, { tag: "button", form_value: form });
  node.removeAttribute("aria-busy");
  return undefined;
}

async function call(component, around, fields) {
  const callback = component.behaviors?.find((behaviour) => behaviour.type === "callback");
  if (!callback && !fields.form_value) return;
  await act("press", { message: around.message.id, presser: speaker().id, value: callback?.value, name: component.name, ...fields });
}

const ENTITIES = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'", nbsp: "\u00a0" };
const COLOURS = /^(grey|red|green|blue|orange|yellow|purple|violet|indigo|turquoise|wathet|lime|carmine)(-\d+)?$/;

const LAST_SIGN = 0x10ffff;

const INLINE = [
  [/^`([^`]+)`/, ([, code]) => el("code", { textContent: code })],
  [/^\*\*(.+?)\*\*/, ([, text]) => el("strong", {}, ...inline(text))],
  [/^~~(.+?)~~/, ([, text]) => el("s", {}, ...inline(text))],
  [/^\*([^*\n]+)\*/, ([, text]) => el("em", {}, ...inline(text))],
  [/^\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/, ([, text, url]) => anchor(url, inline(text))],
  [/^<a href=['"]?(https?:\/\/[^'"\s>]+)['"]?>(.*?)<\/a>/, ([, url, text]) => anchor(url, inline(text))],
  [/^<font color=['"]?([\w-]+)['"]?>(.*?)<\/font>/s, ([, colour, text]) => el("span", { className: inColour(colour) }, ...inline(text))],
  [/^<text_tag color=['"]?([\w-]+)['"]?>(.*?)<\/text_tag>/, ([, colour, text]) => el("span", { className: `text-tag ${inColour(colour)}` }, ...inline(text))],
  [/^<at (?:user_)?ids?=['"]?([\w@]+)['"]?>(?:<\/at>)?/, ([, whom]) => el("span", { className: "at", textContent: `@${whom}` })],
  [/^<br\s*\/?>/, () => el("br")],
  [/^&(?:#(\d+)|(\w+));/, ([all, code, name]) => document.createTextNode((code ? signOf(Number(code)) : ENTITIES[name]) ?? all)],
];

/** The nodes of a markdown text: headings, lists, quotes, rules, code blocks and paragraphs. */
function markdown(text) {
  const blocks = [];
  const lines = text.split("\n");
  while (lines.length) blocks.push(block(lines));
  return blocks;
}

function inColour(name) {
  const known = COLOURS.exec(name ?? "");
  return known ? `in-${known[1]}` : "";
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
  const heading = /^(#{1,6})\s+(.*)/.exec(line);
  if (heading) return el("p", { className: "md-heading" }, ...inline(heading[2]));
  for (const [tag, mark] of [["ul", /^\s*[-*]\s+/], ["ol", /^\s*\d+\.\s+/]]) {
    if (!mark.test(line)) continue;
    const entries = [line];
    while (lines.length && mark.test(lines[0])) entries.push(lines.shift());
    return el(tag, {}, entries.map((entry) => el("li", {}, ...inline(entry.replace(mark, "")))));
  }
  if (line.startsWith("> ")) return el("blockquote", {}, ...inline(line.slice(2)));
  return el("p", {}, ...inline(line));
}

const signOf = (code) => (code <= LAST_SIGN ? String.fromCodePoint(code) : undefined);

function inline(text) {
  const nodes = [];
  let plain = "";
  const flush = () => {
    if (plain) nodes.push(document.createTextNode(plain));
    plain = "";
  };
  while (text) {
    const rule = INLINE.map(([pattern, build]) => [pattern.exec(text), build]).find(([match]) => match);
    if (rule) {
      flush();
      nodes.push(rule[1](rule[0]));
      text = text.slice(rule[0][0].length);
    } else {
      const sign = String.fromCodePoint(text.codePointAt(0));
      plain += sign;
      text = text.slice(sign.length);
    }
  }
  flush();
  return nodes;
}
