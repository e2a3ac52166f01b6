/** Where links lead. */

import { el } from "./dom.js";
import { state } from "./store.js";

/** Where a link leads from here: the page itself answers for the stand-in's pictures, of which their host knows nothing. */
function leadsTo(url) {
  const { image_host: host } = state.choices;
  if (!host || !url.startsWith(`https://${host}/`)) return url;
  const { pathname, search } = new URL(url);
  return `/originals${pathname}${search}`;
}

/** A link that opens in a new tab and tells that page nothing of this one. */
export function anchor(url, children) {
  return el("a", { href: leadsTo(url), target: "_blank", rel: "noopener noreferrer" }, ...children);
}

/** Opens a link of a button in a new tab, which learns nothing of this one. */
export const openLink = (url) => open(leadsTo(url), "_blank", "noopener,noreferrer");
