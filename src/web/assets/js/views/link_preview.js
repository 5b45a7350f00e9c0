// What is behind the first link of a message, as the server says. Its words are text; pictures of other hosts are not shown.
import { h, fill } from "../dom.js";
import { firstLink } from "./rich_text.js";

/** @typedef {{ url: string, title?: string, description?: string, site_name?: string }} Preview */

const KEPT_MAX = 500;
/** @type {Map<string, Promise<Preview | null>>} */
const asked = new Map();

/** @param {import("./shell.js").Rooms} rooms @param {string} text */
export function previewView({ client }, text) {
  const url = firstLink(text);
  if (url === undefined) return null;
  const card = h("a", { class: "link-preview", href: url, target: "_blank", rel: "noopener noreferrer nofollow", tabindex: "-1", hidden: true, "data-testid": "link-preview" });
  void preview(client, url).then((known) => {
    if (known === null || !(known.title || known.description)) return;
    card.hidden = false;
    fill(card,
      h("span", { class: "site" }, known.site_name || new URL(url).host),
      h("span", { class: "name" }, known.title ?? ""),
      known.description ? h("span", { class: "about" }, known.description.slice(0, 300)) : null);
  });
  return card;
}

/** @param {import("/sdk/src/index.js").SwitchboardClient} client @param {string} url */
function preview(client, url) {
  let answer = asked.get(url);
  if (answer === undefined) {
    if (asked.size >= KEPT_MAX) asked.clear();
    answer = client.rest.request("GET", "/v1/link-preview", { query: { url } }).catch(() => null);
    asked.set(url, answer);
  }
  return answer;
}
