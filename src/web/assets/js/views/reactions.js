// The emojis under a message: how many, whose, and one's own to be toggled.
import { h } from "../dom.js";
import { listNames } from "../format.js";

/** @typedef {import("/sdk/src/index.js").Reaction} Reaction */

const NAMES_MAX = 12;

/** Whose it is, oneself first. @param {import("../state.js").State} state @param {Reaction} reaction */
export function reactionNames(state, { user_ids, count }) {
  const own = user_ids.includes(state.myId);
  const others = user_ids.filter((id) => id !== state.myId).slice(0, NAMES_MAX).map((id) => state.nameOf(id));
  const names = own ? ["You", ...others] : others;
  const rest = count - names.length;
  return listNames(rest > 0 ? [...names, rest === 1 ? "1 other" : `${rest} others`] : names);
}

/** @param {import("./shell.js").Rooms} rooms @param {import("../chat.js").Chat} chat @param {import("../timeline_items.js").MessageRow} row */
export function reactionsView({ state, actions }, chat, row) {
  const seq = /** @type {number} */ (row.seq);
  return h("div", { class: "reactions", role: "group", "aria-label": "Reactions", "data-testid": "reactions" },
    row.reactions.map((reaction) => {
      const names = reactionNames(state, reaction);
      return h("button", {
        type: "button",
        class: "reaction",
        tabindex: "-1",
        title: names,
        "aria-label": `${reaction.emoji} ${reaction.count}: ${names}`,
        "aria-pressed": String(reaction.user_ids.includes(state.myId)),
        "data-testid": "reaction",
        "data-emoji": reaction.emoji,
        onclick: () => actions.messages.toggleReaction(chat, seq, reaction.emoji),
      }, h("span", { class: "emoji" }, reaction.emoji), h("span", {}, String(reaction.count)));
    }));
}
