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

/** @param {import("../chat.js").Chat} chat @param {{ small?: boolean }} [look] */
export function chatAvatar(chat, look) {
  const face = avatar(chat.peer?.user_id ?? chat.id, chat.title, { ...look, group: chat.kind !== "direct" });
  return withPhoto(face, chat.photo);
}

/**
 * A photo in place of initials, when it is kept by this very server. A picture from anywhere else
 * would tell that place who reads here and when; the page's policy would not load it either.
 * @param {HTMLElement} face @param {string | undefined} photo
 */
export function withPhoto(face, photo) {
  if (photo === undefined || !isOwn(photo)) return face;
  const image = h("img", { src: photo, alt: "", referrerpolicy: "no-referrer", loading: "lazy", onerror: () => image.remove() });
  face.append(image);
  return face;
}

/** @param {string} address */
function isOwn(address) {
  try {
    return new URL(address).origin === location.origin;
  } catch {
    return false;
  }
}

/** @type {Record<string, string>} */
const PRESENCE = { online: "Online", away: "Away" };

/** An avatar with a dot when its owner is there. @param {HTMLElement} face @param {import("/sdk/src/index.js").Presence | null} presence */
export function withPresence(face, presence) {
  const label = PRESENCE[presence?.status ?? ""];
  const dot = label === undefined ? null : h("span", { class: `presence ${presence?.status}` }, h("span", { class: "visually-hidden" }, label));
  return h("span", { class: "face", "data-presence": presence?.status }, face, dot);
}
