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
    removable ? removeButton() : null,
    removable && chat.posting !== undefined ? banButton() : null);

  function rolePicker() {
    const picker = h("select", {
      class: "role-picker", "aria-label": `Role of ${display_name}`, "data-testid": "role",
      onchange: () => attempt(() => actions.changeRole(chat, user_id, /** @type {MemberView["role"]} */ (picker.value))),
    }, ROLES.map((one) => h("option", { value: one, selected: one === role }, one)));
    return picker;
  }

  function removeButton() {
    return twice(iconButton(`Remove ${display_name}`, "close", { class: "remove", "data-testid": "remove-member" }), "Remove?",
      () => actions.removeMember(chat, user_id));
  }

  function banButton() {
    return twice(iconButton(`Ban ${display_name}: removed, and cannot come back`, "ban", { class: "remove", "data-testid": "ban-member" }), "Ban?",
      () => actions.ban(chat, user_id, true));
  }

  /** Asks once more. @param {HTMLButtonElement} button @param {string} question @param {() => Promise<void>} act */
  function twice(button, question, act) {
    let asked = false;
    button.addEventListener("click", () => {
      if (asked) return void attempt(act);
      asked = true;
      button.textContent = question;
      button.classList.add("asked");
      return undefined;
    });
    return button;
  }
}
