/** The dialogs: a picture enlarged, to be saved, and a question before a press. */

import { byId, el } from "./dom.js";
import { t } from "./store.js";

/** A picture of the chat that a press enlarges; its size is known before it comes, so that nothing jumps. */
export function picture(key, facts, alt, { className = "" } = {}) {
  const size = facts?.width ? { width: facts.width, height: facts.height } : {};
  const image = el("img", { src: `/uploads/${key}`, alt, ...size });
  const label = t("enlarge", { name: alt });
  return el("button", { type: "button", className: `picture ${className}`, "aria-label": label, onclick: () => enlarge(key, alt) }, image);
}

/** Shows a picture large; Esc and a press outside close it. */
export function enlarge(key, alt) {
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
