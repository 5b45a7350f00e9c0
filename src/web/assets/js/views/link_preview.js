// A card under a message for its first link. Its words are text; pictures of other hosts are not shown.
import { h } from "../dom.js";
import { firstLink } from "./rich_text.js";

/** @param {import("../state.js").State} state @param {string} text */
export function previewOf({ previews }, text) {
  const url = previews === null ? undefined : firstLink(text);
  return url === undefined ? null : (previews?.get(url) ?? null);
}

/** @param {import("../state.js").State} state @param {string} text */
export function previewView(state, text) {
  const preview = previewOf(state, text);
  const url = firstLink(text);
  if (preview === null || url === undefined) return null;
  return h("a", { class: "link-preview", href: url, target: "_blank", rel: "noopener noreferrer nofollow", tabindex: "-1", "data-testid": "link-preview" },
    h("span", { class: "site" }, preview.site_name || new URL(url).host),
    preview.title ? h("span", { class: "name" }, preview.title) : null,
    preview.description ? h("span", { class: "about" }, preview.description.slice(0, 300)) : null);
}
