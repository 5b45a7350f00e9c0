import { h } from "../dom.js";
import { avatarColor, initials } from "../format.js";

/**
 * Decorative: the name stands next to it.
 * @param {string} id @param {string} name @param {{ small?: boolean, group?: boolean }} [look]
 */
export function avatar(id, name, { small = false, group = false } = {}) {
  const classes = `avatar${small ? " small" : ""}${group ? " group" : ""}`;
  const element = h("span", { class: classes, "aria-hidden": "true" }, initials(name));
  element.style.setProperty("--avatar-color", avatarColor(id));
  return element;
}

/** @param {import("../chat.js").Chat} chat */
export function chatAvatar(chat) {
  return avatar(chat.peer?.user_id ?? chat.id, chat.title, { group: chat.kind !== "direct" });
}

/** @type {Record<string, string>} */
const PRESENCE = { online: "Online", away: "Away" };

/** An avatar with a dot when its owner is there. @param {HTMLElement} face @param {import("/sdk/src/index.js").Presence | null} presence */
export function withPresence(face, presence) {
  const label = PRESENCE[presence?.status ?? ""];
  const dot = label === undefined ? null : h("span", { class: `presence ${presence?.status}` }, h("span", { class: "visually-hidden" }, label));
  return h("span", { class: "face", "data-presence": presence?.status }, face, dot);
}
