// One row of a timeline as an element.
import { h, icon, iconButton } from "../dom.js";
import { avatarColor, contentText, systemText, timeOfDay } from "../format.js";
import { avatar } from "./avatar.js";

/** @typedef {import("../timeline_items.js").Row} Row */
/** @typedef {import("../timeline_items.js").MessageRow} MessageRow */
/** @typedef {import("../chat.js").Chat} Chat */

/** @type {Record<MessageRow["state"], { icon: string, text: string } | null>} */
const MARKS = {
  received: null,
  pending: { icon: "clock", text: "Pending" },
  sent: { icon: "check", text: "Sent" },
  failed: { icon: "alert", text: "Not sent" },
};
const LINK = /https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]]/gu;

/** @param {import("./shell.js").Rooms} rooms @param {Chat} chat @param {Row} row @param {(seq: number) => void} onQuote */
export function rowElement(rooms, chat, row, onQuote) {
  switch (row.type) {
    case "day":
      return h("li", { class: "day" }, h("span", {}, row.text));
    case "unread":
      return h("li", { class: "unread-line", "data-testid": "unread-line" }, "New messages");
    case "system":
      return systemElement(rooms, row.entry);
    case "message":
      return messageElement(rooms, chat, row, onQuote);
  }
}

/** What an element shows; equal signatures need no new element. @param {import("./shell.js").Rooms} rooms @param {Chat} chat @param {Row} row */
export function rowSignature({ state }, chat, row) {
  if (row.type === "day") return row.text;
  if (row.type === "unread") return "";
  if (row.type === "system") return systemText(row.entry, (id) => state.nameOf(id)) ?? "";
  const quoted = row.replyTo === undefined ? "" : (chat.find(row.replyTo)?.message_id ?? "");
  const marks = `${row.state} ${row.seq ?? ""} ${row.first} ${row.last} ${timeOfDay(row.sentAt)}`;
  return `${marks} ${chat.kind} ${quoted} ${row.failure ?? ""} ${state.nameOf(row.senderId)}`;
}

/** @param {import("./shell.js").Rooms} rooms @param {import("/sdk/src/index.js").Entry} entry */
function systemElement({ state }, entry) {
  const text = systemText(entry, (id) => state.nameOf(id));
  const attributes = { class: "system", "data-testid": "system", "data-seq": entry.seq, "data-message-id": entry.message_id };
  return h("li", { ...attributes, hidden: text === null }, text);
}

/** @param {import("./shell.js").Rooms} rooms @param {Chat} chat @param {MessageRow} row @param {(seq: number) => void} onQuote */
function messageElement(rooms, chat, row, onQuote) {
  const { state, actions } = rooms;
  const inGroup = chat.kind !== "direct" && !row.own;
  const sender = h("span", { class: inGroup && row.first ? "sender" : "visually-hidden" }, `${state.nameOf(row.senderId)}`);
  // Colour tells people apart at a glance; in the dark it needs more light to be readable.
  sender.style.setProperty("--sender-color", `light-dark(${avatarColor(row.senderId)}, color-mix(in srgb, ${avatarColor(row.senderId)} 45%, white))`);
  const text = contentText(row.content);
  const plain = row.content !== undefined && "text" in row.content;
  const bubble = h("div", { class: "bubble" },
    sender,
    row.replyTo === undefined ? null : quote(state, chat, row.replyTo, onQuote),
    h("span", { class: plain ? "text" : "text special", "data-testid": "message-text", dir: "auto" }, ...linked(text)),
    meta(row),
    row.state === "failed" ? failure(actions, chat, row) : null);
  const classes = ["message", row.own ? "own" : "other", row.first ? "first" : "", row.last ? "last" : ""];
  const element = h("li", {
    class: classes.filter(Boolean).join(" "),
    tabindex: "-1",
    "data-testid": "message",
    "data-state": row.state,
    "data-seq": row.seq,
    "data-message-id": row.messageId,
  });
  if (inGroup) {
    element.append(row.last
      ? avatar(row.senderId, state.nameOf(row.senderId), { small: true })
      : h("span", { class: "avatar-slot" }));
  }
  element.append(bubble);
  const { seq } = row;
  if (seq !== undefined) {
    const reply = () => actions.reply(chat, seq);
    const label = `Reply to ${row.own ? "your message" : state.nameOf(row.senderId)}`;
    element.append(iconButton(label, "reply", { class: "reply", tabindex: "-1", "data-testid": "reply", onclick: reply }));
  }
  return element;
}

/** @param {MessageRow} row */
function meta(row) {
  const mark = MARKS[row.state];
  return h("span", { class: "meta" },
    h("time", { datetime: new Date(row.sentAt).toISOString() }, timeOfDay(row.sentAt)),
    mark === null ? null : icon(mark.icon),
    mark === null ? null : h("span", { class: "visually-hidden", "data-testid": "mark" }, mark.text));
}

/** @param {import("../state.js").State} state @param {Chat} chat @param {number} seq @param {(seq: number) => void} onQuote */
function quote(state, chat, seq, onQuote) {
  const entry = chat.find(seq);
  const name = entry === undefined ? "Earlier message" : state.nameOf(entry.sender_id);
  return h("button", { type: "button", class: "quote", tabindex: "-1", "data-testid": "quote", onclick: () => onQuote(seq) },
    h("span", { class: "name" }, name),
    h("span", {}, entry === undefined ? "Show it" : contentText(entry.content)));
}

/** @param {import("../actions.js").Actions} actions @param {Chat} chat @param {MessageRow} row */
function failure(actions, chat, row) {
  return h("div", { class: "failure" },
    h("span", {}, row.failure ?? "Not sent."),
    h("button", { type: "button", class: "link-button", "data-testid": "retry", onclick: () => actions.retry(chat, row.messageId) }, "Try again"),
    h("button", { type: "button", class: "link-button", "data-testid": "discard", onclick: () => actions.discard(chat, row.messageId) }, "Discard"));
}

/** Text with its web addresses as links. @param {string} text */
function linked(text) {
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
