// What a message's bubble is made of.
import { h, icon } from "../dom.js";
import { contentText, dayAndTime, remainingText, timeOfDay } from "../format.js";
import { avatar } from "./avatar.js";

/** @typedef {import("../timeline_items.js").MessageRow} MessageRow */
/** @typedef {import("../chat.js").Chat} Chat */

/** @type {Record<string, { icon: string, text: string }>} */
const MARKS = {
  pending: { icon: "clock", text: "Pending" },
  failed: { icon: "alert", text: "Not sent" },
  sent: { icon: "check", text: "Sent" },
  delivered: { icon: "checks", text: "Delivered" },
  read: { icon: "checks", text: "Read" },
};

/** @param {MessageRow} row */
export function meta(row) {
  const mark = row.deleted ? undefined : (MARKS[row.tick ?? row.state]);
  return h("span", { class: "meta" },
    row.pinned ? icon("pin") : null,
    row.pinned ? h("span", { class: "visually-hidden" }, "Pinned") : null,
    row.editedAt === undefined ? null : h("span", { "data-testid": "edited", title: `Edited: ${dayAndTime(row.editedAt)}` }, "edited"),
    row.expiresAt === undefined ? null : expiry(row.expiresAt),
    h("time", { datetime: new Date(row.sentAt).toISOString() }, timeOfDay(row.sentAt)),
    mark === undefined ? null : icon(mark.icon),
    mark === undefined ? null : h("span", { class: "visually-hidden", "data-testid": "mark" }, mark.text));
}

/** When it will be gone. @param {number} at */
function expiry(at) {
  const left = remainingText(at - Date.now());
  return h("span", { class: "expiry", "data-testid": "expiry", title: `Disappears: ${dayAndTime(at)}` },
    icon("timer"), h("span", { class: "visually-hidden" }, "Disappears in"), left);
}

/** What a message answers; leads there. @param {import("./shell.js").Rooms} rooms @param {Chat} chat @param {number} seq @param {(seq: number) => void} onQuote */
export function quote({ state, actions }, chat, seq, onQuote) {
  const entry = chat.known(seq);
  if (entry === undefined) void actions.messages.peek(chat, seq);
  const name = entry === undefined ? "Earlier message" : state.nameOf(entry.sender_id);
  return h("button", { type: "button", class: "quote", tabindex: "-1", "data-testid": "quote", onclick: () => onQuote(seq) },
    h("span", { class: "name" }, name),
    h("span", {}, entry === undefined ? "Show it" : contentText(chat.contentOf(entry))));
}

/** @param {import("../actions.js").Actions} actions @param {Chat} chat @param {MessageRow} row */
export function failure(actions, chat, row) {
  return h("div", { class: "failure" },
    h("span", {}, row.failure ?? "Not sent."),
    h("button", { type: "button", class: "link-button", "data-testid": "retry", onclick: () => actions.retry(chat, row.messageId) }, "Try again"),
    h("button", { type: "button", class: "link-button", "data-testid": "discard", onclick: () => actions.discard(chat, row.messageId) }, "Discard"));
}

/** What was answered to a message; leads to its thread. @param {import("./shell.js").Rooms} rooms @param {Chat} chat @param {MessageRow} row */
export function threadButton({ state, actions }, chat, row) {
  const { thread } = row;
  const seq = row.seq;
  if (thread === undefined || seq === undefined) return null;
  const count = `${thread.replies} ${thread.replies === 1 ? "reply" : "replies"}`;
  return h("button", {
    type: "button", class: thread.unread > 0 ? "thread-button unread" : "thread-button", tabindex: "-1", "data-testid": "thread",
    onclick: () => actions.threads.open(chat, seq),
  },
  h("span", { class: "faces" }, thread.participants.slice(0, 3).map((id) => avatar(id, state.users.get(id)?.display_name ?? state.nameOf(id), { small: true }))),
  h("span", {}, count),
  thread.unread > 0 ? h("span", { class: "badge", "data-testid": "thread-unread" }, `${thread.unread} new`) : null);
}
