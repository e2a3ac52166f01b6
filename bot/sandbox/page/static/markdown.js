/** The markdown of Feishu's cards, as nodes: the subset that the documentation lists for JSON 2.0. */

import { el } from "./dom.js";
import { anchor } from "./links.js";

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
export function markdown(text) {
  const blocks = [];
  const lines = text.split("\n");
  while (lines.length) blocks.push(block(lines));
  return blocks;
}

/** The class of one of Feishu's colours; unknown ones have none. */
export function inColour(name) {
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

/** The character of a number, where Unicode has one. */
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
