// One member of a chat: who it is, and what may be done about it.
import { h, iconButton } from "../dom.js";
import { avatar, withPresence } from "../views/avatar.js";

/** @typedef {import("../chat.js").Chat} Chat */
/** @typedef {import("../chat.js").MemberView} MemberView */

const ROLES = /** @type {const} */ (["owner", "admin", "member"]);

/**
 * @param {import("../views/shell.js").Rooms} rooms @param {Chat} chat @param {MemberView} member
 * @param {(change: () => Promise<void>) => Promise<void>} attempt shows what went wrong
 */
export function memberItem(rooms, chat, member, attempt) {
  const { actions, state } = rooms;
  const { user_id, display_name, username, role } = member;
  const isMe = user_id === chat.myId;
  // Owners give roles and remove anybody; admins remove members.
  const removable = !isMe && chat.manages && (chat.role === "owner" || role === "member");
  return h("li", { class: "member", "data-testid": "member", "data-username": username },
    withPresence(avatar(user_id, display_name, { small: true }), isMe ? null : state.presenceOf(user_id)),
    h("div", { class: "names" },
      h("span", {}, isMe ? `${display_name} (you)` : display_name),
      h("span", { class: "username" }, `@${username}`)),
    chat.kind !== "direct" && chat.role === "owner" ? rolePicker() : role === "member" ? null : h("span", { class: "role" }, role),
    removable ? removeButton() : null);

  function rolePicker() {
    const picker = h("select", {
      class: "role-picker", "aria-label": `Role of ${display_name}`, "data-testid": "role",
      onchange: () => attempt(() => actions.changeRole(chat, user_id, /** @type {MemberView["role"]} */ (picker.value))),
    }, ROLES.map((one) => h("option", { value: one, selected: one === role }, one)));
    return picker;
  }

  /** Asks once more. */
  function removeButton() {
    let asked = false;
    const button = iconButton(`Remove ${display_name}`, "close", { class: "remove", "data-testid": "remove-member" });
    button.addEventListener("click", () => {
      if (asked) return void attempt(() => actions.removeMember(chat, user_id));
      asked = true;
      button.textContent = "Remove?";
      button.classList.add("asked");
      return undefined;
    });
    return button;
  }
}
