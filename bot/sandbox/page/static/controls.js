/** The components of a card that a person presses, chooses or fills in. */

import { el, option } from "./dom.js";
import { openLink } from "./links.js";
import { speaker, t, worded } from "./store.js";
import { toast } from "./toasts.js";
import { confirmed } from "./viewer.js";
import { act } from "./wire.js";

/** A button: opens its link, or calls the bot; in a form it sends or empties the form. */
export function button(component, around) {
  const kind = component.type ?? "default";
  const node = el("button", {
    type: "button",
    className: `card-button kind-${kind} size-${component.size ?? "medium"}`,
    disabled: Boolean(component.disabled),
    title: worded(component.hover_tips ?? component.disabled_tips),
    textContent: worded(component.text),
  });
  node.addEventListener("click", () => pressed(component, around, node));
  return node;
}

/** A drop-down list; outside a form a choice calls the bot at once. */
export function select(component, around) {
  const label = worded(component.placeholder) || t("choose");
  const { options } = component;
  const chosen = component.initial_option ?? options[(component.initial_index ?? 0) - 1]?.value;
  const node = el("select", { className: "card-select", name: component.name ?? "", disabled: Boolean(component.disabled), required: Boolean(component.required), "aria-label": label });
  node.append(option("", label, !chosen), ...options.map((one) => option(one.value, worded(one.text), one.value === chosen)));
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
export function input(component) {
  const several = component.input_type === "multiline_text";
  const text = worded(component.label);
  const node = el(several ? "textarea" : "input", {
    name: component.name ?? "",
    value: component.i18n_default_value ? worded({ content: component.default_value, i18n_content: component.i18n_default_value }) : (component.default_value ?? ""),
    placeholder: worded(component.placeholder),
    maxLength: component.max_length ?? 1000,
    required: Boolean(component.required),
    disabled: Boolean(component.disabled),
    "aria-label": text || worded(component.placeholder) || component.name || "",
  });
  if (several) node.rows = component.rows ?? 4;
  else if (component.input_type === "password") node.type = "password";
  return el("label", { className: `card-input at-${component.label_position ?? "top"}` }, text ? el("span", { textContent: text }) : null, node);
}

/** A folded group of buttons, shown as a list. */
export function overflow(component, around) {
  const node = el("select", { className: "card-select", "aria-label": t("choose") });
  node.append(option("", "···", true), ...component.options.map((one, place) => option(String(place), worded(one.text))));
  node.addEventListener("change", () => {
    const one = component.options[Number(node.value)];
    node.value = "";
    if (one?.multi_url?.url) openLink(one.multi_url.url);
    else if (one) call(component, around, { tag: "overflow", option: one.value });
  });
  return node;
}

async function pressed(component, around, node) {
  const { confirm, form_action_type: action } = component;
  if (action === "reset") return around.form.reset();
  if (action === "submit" && !around.form.checkValidity()) {
    toast(t("required"), "warning");
    return around.form.querySelector(":invalid").focus();
  }
  if (confirm && !(await confirmed(worded(confirm.title), worded(confirm.text)))) return undefined;
  const link = component.behaviors?.find((behaviour) => behaviour.type === "open_url");
  if (link) openLink(link.default_url);
  const form = action === "submit" ? Object.fromEntries(new FormData(around.form)) : undefined;
  node.setAttribute("aria-busy", "true");
  await call(component, around, { tag: "button", form });
  node.removeAttribute("aria-busy");
  return undefined;
}

async function call(component, around, fields) {
  const callback = component.behaviors?.find((behaviour) => behaviour.type === "callback");
  if (!callback && !fields.form) return;
  await act("press", { message: around.message.id, presser: speaker().id, value: callback?.value, name: component.name, ...fields });
}
