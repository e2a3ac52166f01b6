/** The dialogs: a picture enlarged, to be saved, and a question before a press. */

import { byId, el } from "./dom.js";
import { t } from "./store.js";

const HIGHEST = 240;

/**
 * A picture of the chat, which a press enlarges; where its size is known it takes its room before it comes.
 * `shape` is its `width` and `height` and how it is `cut` to them.
 */
export function picture(key, shape, alt, { className = "", enlarges = true } = {}) {
  const image = el("img", { src: `/uploads/${key}`, alt });
  if (shape?.width) {
    Object.assign(image, { width: shape.width, height: shape.height });
    image.style.aspectRatio = `${shape.width} / ${shape.height}`;
  }
  const look = { className: `picture ${className} ${shape?.cut ?? ""}` };
  if (!enlarges) return el("span", look, image);
  return el("button", { ...look, type: "button", "aria-label": t("enlarge", { name: alt }), onclick: () => enlarge(key, alt) }, image);
}

/** The size of a picture that a person has sent: never enlarged, at most 240 pixels high. */
export function sentShape(facts) {
  if (!facts?.width) return null;
  const scale = Math.min(1, HIGHEST / facts.height);
  return { width: Math.round(facts.width * scale), height: Math.round(facts.height * scale) };
}

/** Shows a picture large; Esc and a press outside close it. */
function enlarge(key, alt) {
  const dialog = byId("viewer");
  const close = el("button", { type: "button", textContent: t("close"), onclick: () => dialog.close() });
  const save = el("a", { href: `/uploads/${key}?save=1`, download: "", textContent: t("save"), className: "primary" });
  dialog.replaceChildren(el("img", { src: `/uploads/${key}`, alt }), el("p", { className: "viewer-row" }, save, close));
  dialog.setAttribute("aria-label", alt);
  dialog.onclick = (event) => {
    if (event.target === dialog) dialog.close();
  };
  dialog.showModal();
}

/** Asks before a press that wants it; resolves to whether it was confirmed. */
export function confirmed(title, text) {
  const dialog = byId("confirm");
  return new Promise((resolve) => {
    const answer = (value) => () => dialog.close(value);
    dialog.replaceChildren(
      el("h2", { textContent: title }),
      el("p", { textContent: text }),
      el("p", { className: "viewer-row" },
        el("button", { type: "button", textContent: t("cancel"), onclick: answer("") }),
        el("button", { type: "button", className: "primary", textContent: t("confirm"), onclick: answer("yes") })),
    );
    dialog.returnValue = "";
    dialog.setAttribute("aria-label", title);
    dialog.onclose = () => resolve(dialog.returnValue === "yes");
    dialog.showModal();
  });
}
