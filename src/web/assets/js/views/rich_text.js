// A message's text with its web addresses as links and its mentions marked. Text stays text.
import { h } from "../dom.js";

const LINK = /https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]]/gu;
const TOKEN = /https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]]|(?<![\p{L}\p{N}_@.])@[a-z0-9._-]+/giu;

/** @param {string} text @returns {string | undefined} the first web address in it */
export const firstLink = (text) => text.match(LINK)?.[0];

/**
 * @param {import("../state.js").State | null} state null: without mentions @param {string} text
 * @param {{ mentions: string[], forAll: boolean }} meant
 */
export function richText(state, text, { mentions, forAll }) {
  const names = new Map(mentions.flatMap((id) => {
    const user = state?.users.get(id);
    return user === undefined ? [] : [[user.username, user]];
  }));
  /** @type {(string | HTMLElement)[]} */
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    const [token] = match;
    const element = token.startsWith("@") ? mention(token) : link(token);
    if (element === null) continue;
    parts.push(text.slice(end, match.index), element);
    end = match.index + token.length;
  }
  parts.push(text.slice(end));
  return parts.filter((part) => part !== "");

  /** @param {string} token */
  function mention(token) {
    const name = token.slice(1).toLowerCase();
    if (forAll && (name === "everyone" || name === "here")) return h("span", { class: "mention", "data-testid": "mention" }, token);
    // A full stop may end the sentence instead of the name.
    const user = names.get(name);
    if (user === undefined) return null;
    const own = user.user_id === state?.myId;
    return h("span", { class: own ? "mention own-name" : "mention", title: token, "data-testid": "mention" }, `@${user.display_name}`);
  }
}

/** A text that mentions nobody. @param {string} text */
export const linked = (text) => richText(null, text, { mentions: [], forAll: false });

/** @param {string} address */
function link(address) {
  return h("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow", tabindex: "-1" }, address);
}
