/** Short notes at the top of the page, as the client shows them after a press. */

import { byId, el } from "./dom.js";
import { language, on, speaker, t } from "./store.js";

const SHOWN = 4000;

/** Shows a note for four seconds; `type` is info, success, error or warning. */
export function toast(text, type = "info") {
  const note = el("p", { className: `toast ${type}`, textContent: text });
  byId("toasts").append(note);
  setTimeout(() => note.remove(), SHOWN);
}

/** Shows what the bot answered to the visitor's own presses, in their language. */
export function startToasts() {
  on("toast", (answer) => {
    if (answer.presser !== speaker().id) return;
    if (answer.code) toast(t("press_error", { code: answer.code }), "error");
    else if (answer.toast) toast(said(answer.toast), answer.toast.type);
  });
}

function said(given) {
  return given.i18n?.[language() === "zh" ? "zh_cn" : "en_us"] ?? given.content;
}
