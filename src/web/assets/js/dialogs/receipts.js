// Who has read a message, who has it, and who reacted how.
import { fill, h } from "../dom.js";
import { avatar } from "../views/avatar.js";
import { reactionNames } from "../views/reactions.js";
import { dialog } from "./dialog.js";

/** @typedef {import("/sdk/src/index.js").Receipts} Receipts */

const GROUPS = /** @type {const} */ ([["read", "Read"], ["delivered", "Delivered"], ["pending", "Not delivered yet"]]);

/** @param {import("../views/shell.js").Rooms} rooms @param {import("../chat.js").Chat} chat @param {number} seq */
export function openReceipts(rooms, chat, seq) {
  const box = dialog("Who has read it", "receipts-dialog");
  const list = h("div", { class: "receipts" }, h("p", { class: "quiet-text" }, "One moment…"));
  const reactions = chat.states.of(seq)?.reactions ?? [];
  fill(box.body,
    list,
    reactions.length > 0 ? h("h3", { class: "section-title" }, "Reactions") : null,
    h("ul", { class: "reactors" }, reactions.map((reaction) =>
      h("li", {}, h("span", { class: "emoji" }, reaction.emoji), reactionNames(rooms.state, reaction)))));
  box.open();
  rooms.client.receipts(chat.id, seq).then(
    (receipts) => fill(list, ...groups(rooms, receipts)),
    (error) => fill(list, h("p", { class: "form-error" }, error.message)),
  );
}

/** @param {import("../views/shell.js").Rooms} rooms @param {Receipts} receipts */
function groups({ state }, receipts) {
  // Somebody who has read it is counted as delivered to, too.
  const counts = { read: receipts.read, delivered: receipts.delivered - receipts.read, pending: receipts.pending };
  return GROUPS.flatMap(([name, label]) => {
    const members = receipts.members.filter((member) => member.state === name);
    if (counts[name] === 0) return [];
    return [
      h("h3", { class: "section-title" }, `${label}, ${counts[name]} of ${receipts.total}`),
      h("ul", { "data-testid": `receipts-${name}` }, members.map(({ user_id }) =>
        h("li", { class: "member" }, avatar(user_id, state.nameOf(user_id), { small: true }), state.nameOf(user_id)))),
    ];
  });
}
