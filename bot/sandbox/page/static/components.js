/** Draws the components of a card; what a press sends goes through the stand-in. */

import { button, input, overflow, select } from "./controls.js";
import { el } from "./dom.js";
import { inColour, markdown } from "./markdown.js";
import { t, worded } from "./store.js";
import { picture } from "./viewer.js";

/**
 * The sides of the sizes that have a name, in pixels, and how many times as high as wide a stretched picture may be.
 * https://open.feishu.cn/document/feishu-cards/card-json-v2-components/content-components/image
 */
const SIDES = { tiny: 16, small: 40, medium: 80, large: 160 };
const TALLEST = 16 / 9;

const DRAW = {
  div, img, button, input, overflow, form,
  markdown: markdownBlock,
  hr: () => el("hr"),
  img_combination: combination,
  select_static: select,
  column_set: columns,
  collapsible_panel: panel,
  interactive_container: (component, around) => el("div", { className: "container" }, ...drawAll(component.elements, around)),
};

/** The nodes of a list of components. */
export function drawAll(components, around) {
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
  if (text.tag === "lark_md") return el("div", { className: look(text) }, ...markdown(worded(text)));
  return el("p", { className: look(text), textContent: worded(text) });
}

function markdownBlock(component) {
  return el("div", { className: `markdown ${look(component)}` }, ...markdown(worded(component)));
}

function img(component, { message }) {
  const { img_key: key, preview, corner_radius: radius } = component;
  const drawn = picture(key, shapeOf(component, message.uploads[key]), worded(component.alt), { enlarges: preview !== false });
  drawn.style.borderRadius = radius ?? "";
  const title = worded(component.title);
  return title ? el("div", { className: "titled" }, el("p", { textContent: title }), drawn) : drawn;
}

/** How a picture is cut and how large it is: `size` counts only where it may be cut, which it may unless told otherwise. */
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
  const title = header.title?.tag === "markdown" ? markdown(worded(header.title)) : [worded(header.title)];
  return el("details", { className: "fold", open: Boolean(expanded) }, el("summary", {}, ...title), ...drawAll(elements ?? [], around));
}
