// What a message's bubble is made of.
import { h, icon } from "../dom.js";
import { contentText, dayAndTime, timeOfDay } from "../format.js";

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
const LINK = /https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]]/gu;

/** @param {MessageRow} row */
export function meta(row) {
  const mark = row.deleted ? undefined : (MARKS[row.tick ?? row.state]);
  return h("span", { class: "meta" },
    row.pinned ? icon("pin") : null,
    row.pinned ? h("span", { class: "visually-hidden" }, "Pinned") : null,
    row.editedAt === undefined ? null : h("span", { "data-testid": "edited", title: `Edited: ${dayAndTime(row.editedAt)}` }, "edited"),
    h("time", { datetime: new Date(row.sentAt).toISOString() }, timeOfDay(row.sentAt)),
    mark === undefined ? null : icon(mark.icon),
    mark === undefined ? null : h("span", { class: "visually-hidden", "data-testid": "mark" }, mark.text));
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

/** Text with its web addresses as links. @param {string} text */
export function linked(text) {
  /** @type {(string | HTMLElement)[]} */
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    parts.push(text.slice(end, match.index));
    parts.push(h("a", { href: match[0], target: "_blank", rel: "noopener noreferrer nofollow", tabindex: "-1" }, match[0]));
    end = match.index + match[0].length;
  }
  parts.push(text.slice(end));
  return parts.filter((part) => part !== "");
}
