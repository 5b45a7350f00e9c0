// One row of a timeline as an element.
import { openJumpToDate } from "../dialogs/jump_to_date.js";
import { h, icon } from "../dom.js";
import { avatarColor, contentText, remainingText, systemText, timeOfDay } from "../format.js";
import { avatar } from "./avatar.js";
import { previewOf, previewView } from "./link_preview.js";
import { failure, meta, quote, threadButton } from "./message_parts.js";
import { richText } from "./rich_text.js";
import { reactionNames, reactionsView } from "./reactions.js";

/** @typedef {import("../timeline_items.js").Row} Row */
/** @typedef {import("../timeline_items.js").MessageRow} MessageRow */
/** @typedef {import("../chat.js").Chat} Chat */

/** @param {import("./shell.js").Rooms} rooms @param {Chat} chat @param {Row} row @param {(seq: number) => void} onQuote */
export function rowElement(rooms, chat, row, onQuote) {
  switch (row.type) {
    case "day":
      return h("li", { class: "day" },
        h("button", { type: "button", tabindex: "-1", title: "Jump to a date", "data-testid": "day", onclick: () => openJumpToDate(rooms, chat, row.at) }, row.text));
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
  const { replyTo, seq } = row;
  const quoted = replyTo === undefined ? "" : `${chat.known(replyTo)?.message_id} ${chat.states.version(replyTo)}`;
  const marks = `${row.state} ${row.tick} ${seq ?? ""} ${row.first} ${row.last} ${timeOfDay(row.sentAt)}`;
  const changes = seq === undefined ? "" : `${chat.states.version(seq)} ${row.deleted}`;
  const names = row.reactions.map((reaction) => reactionNames(state, reaction)).join();
  const expiry = row.expiresAt === undefined ? "" : remainingText(row.expiresAt - Date.now());
  const thread = row.thread === undefined ? "" : `${row.thread.replies} ${row.thread.unread} ${row.thread.participants.map((id) => state.nameOf(id))}`;
  const preview = row.deleted ? "" : previewOf(state, contentText(row.content))?.title ?? "";
  const mentioned = row.mentions.map((id) => state.nameOf(id)).join();
  return `${marks} ${changes} ${names} ${expiry} ${thread} ${mentioned} ${preview} ${chat.kind} ${quoted} ${row.failure ?? ""} ${state.nameOf(row.senderId)}`;
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
  const plain = row.content !== undefined && "text" in row.content;
  const bubble = h("div", { class: "bubble" },
    sender,
    row.forwarded ? h("span", { class: "forwarded", "data-testid": "forwarded" }, icon("forward"), "Forwarded") : null,
    row.replyTo === undefined ? null : quote(rooms, chat, row.replyTo, onQuote),
    h("span", { class: plain ? "text" : "text special", "data-testid": "message-text", dir: "auto" }, ...richText(state, contentText(row.content), row)),
    meta(row),
    plain ? previewView(state, contentText(row.content)) : null,
    row.state === "failed" ? failure(actions, chat, row) : null);
  const element = h("li", {
    class: classes(row, !row.own && !row.deleted && (row.forAll || row.mentions.includes(state.myId))),
    tabindex: "-1",
    "data-testid": "message",
    "data-state": row.state,
    "data-tick": row.tick,
    "data-deleted": row.deleted || null,
    "data-seq": row.seq,
    "data-message-id": row.messageId,
  });
  if (inGroup) {
    element.append(row.last
      ? avatar(row.senderId, state.nameOf(row.senderId), { small: true })
      : h("span", { class: "avatar-slot" }));
  }
  const reactions = row.reactions.length > 0 ? reactionsView(rooms, chat, row) : null;
  const thread = row.thread !== undefined ? threadButton(rooms, chat, row) : null;
  element.append(reactions === null && thread === null ? bubble : h("div", { class: "stack" }, bubble, reactions ?? "", thread ?? ""));
  return element;
}

/** @param {MessageRow} row @param {boolean} isForMe */
function classes(row, isForMe) {
  const names = ["message", row.own ? "own" : "other", isForMe && "for-me", row.first && "first", row.last && "last", row.deleted && "deleted", row.pinned && "pinned"];
  return names.filter(Boolean).join(" ");
}
