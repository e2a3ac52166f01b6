/** Draws the components of a card; what a press sends goes through the stand-in. */

import { button, input, overflow, select } from "./controls.js";
import { el } from "./dom.js";
import { inColour, markdown } from "./markdown.js";
import { t, worded } from "./store.js";
import { picture } from "./viewer.js";

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
  const className = component.scale_type === "crop_center" || component.scale_type === "crop_top" ? "cropped" : "";
  if (component.preview === false) {
    return el("img", { className: "still", src: `/uploads/${component.img_key}`, alt: worded(component.alt) });
  }
  return picture(component.img_key, message.uploads[component.img_key], worded(component.alt), { className });
}

function combination({ img_list: images }, { message }) {
  const drawn = images.map(({ img_key: key }) => picture(key, message.uploads[key], t("picture"), { className: "cropped" }));
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
