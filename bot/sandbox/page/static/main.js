/** Starts the page. */

import { startChats } from "./chat.js";
import { startComposer } from "./composer.js";
import { byId, el, option, startToasts } from "./dom.js";
import { armedWords, startPanel } from "./panel.js";
import { choose, connect, language, on, speaker, state, t } from "./store.js";

startSettings();
startToasts();
startComposer();
startChats();
startPanel();
connect();

/** Draws the bar and keeps the page's language and theme. */
function startSettings() {
  for (const name of ["speaker", "language", "theme"]) {
    byId(name).addEventListener("change", (event) => choose(name, event.target.value));
  }
  on("snapshot settings", drawBar);
  on("snapshot settings switches connected", drawBadges);
  // A fault that is armed for some seconds counts down.
  setInterval(() => state.switches.armed?.some((fault) => fault.ends_at) && drawBadges(), 1000);
}

function drawBar() {
  document.documentElement.lang = language() === "zh" ? "zh-CN" : "en";
  document.documentElement.dataset.theme = state.settings.theme;
  document.title = t("title");
  for (const part of document.querySelectorAll("[data-word]")) part.textContent = t(part.dataset.word);
  for (const part of document.querySelectorAll("[data-label]")) part.setAttribute("aria-label", t(part.dataset.label));
  for (const part of document.querySelectorAll("[data-title]")) part.title = t(part.dataset.title);
  fill("speaker", state.people.map((person) => [person.id, person.name]), speaker()?.id);
  fill("language", [["speaker", t("language_speaker")], ["zh", "中文"], ["en", "English"]], state.settings.language);
  fill("theme", ["system", "light", "dark"].map((name) => [name, t(`theme_${name}`)]), state.settings.theme);
}

function fill(id, entries, chosen) {
  byId(id).replaceChildren(...entries.map(([value, text]) => option(value, text, value === chosen)));
}

function drawBadges() {
  const { armed = [], running } = state.switches;
  const badges = [state.choices.real_glm ? [t("glm_real"), "warn"] : [t("glm_local"), ""]];
  badges.push(...armed.map((fault) => [`⚡ ${armedWords(fault)}`, "warn"]));
  if (running === false) badges.push([t("bot_down"), "bad"]);
  if (!state.connected) badges.push([t("offline"), "bad"]);
  byId("badges").replaceChildren(...badges.map(([textContent, kind]) => el("span", { className: `badge ${kind}`, textContent, title: textContent })));
}
