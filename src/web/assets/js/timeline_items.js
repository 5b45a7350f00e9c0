// From a conversation's facts to the rows of its timeline. Pure.
import { dayKey, dayName } from "./format.js";

/** @typedef {import("./chat.js").Chat} Chat */
/** @typedef {import("/sdk/src/index.js").Content} Content */
/** @typedef {import("/sdk/src/index.js").Entry} Entry */

/** Messages of one sender closer than this stand together. */
const GROUP_MS = 5 * 60_000;

/**
 * @typedef {object} MessageRow
 * @property {"message"} type
 * @property {string} key
 * @property {number | undefined} seq
 * @property {string} messageId
 * @property {string} senderId
 * @property {number} sentAt
 * @property {Content | undefined} content
 * @property {number | undefined} replyTo
 * @property {"received" | "pending" | "sent" | "failed"} state
 * @property {"sent" | "delivered" | "read" | undefined} tick how far one's own message has come
 * @property {string | undefined} failure
 * @property {boolean} own
 * @property {boolean} deleted
 * @property {number | undefined} editedAt
 * @property {boolean} pinned
 * @property {import("/sdk/src/index.js").Reaction[]} reactions
 * @property {boolean} first  begins a group
 * @property {boolean} last   ends a group
 */

/** @typedef {{ type: "day", key: string, text: string }} DayRow */
/** @typedef {{ type: "unread", key: string }} UnreadRow */
/** @typedef {{ type: "system", key: string, entry: Entry }} SystemRow */
/** @typedef {MessageRow | DayRow | UnreadRow | SystemRow} Row */

/**
 * @param {Chat} chat
 * @param {number} from index into the log
 * @param {number} to
 * @param {string} myId
 * @returns {Row[]}
 */
export function timelineRows(chat, from, to, myId) {
  /** @type {Row[]} */
  const rows = [];
  let day = "";
  let unreadShown = false;
  /** @param {number} sentAt */
  const startDay = (sentAt) => {
    const key = dayKey(sentAt);
    if (key === day) return;
    day = key;
    rows.push({ type: "day", key: `day ${key}`, text: dayName(sentAt) });
  };
  for (const entry of chat.log.slice(from, to)) {
    const own = entry.sender_id === myId;
    startDay(entry.sent_at);
    if (chat.unreadAfter !== null && !unreadShown && entry.seq > chat.unreadAfter && !own) {
      unreadShown = true;
      rows.push({ type: "unread", key: "unread" });
    }
    rows.push(entry.kind === "new_message" ? entryRow(chat, entry, own) : { type: "system", key: entry.message_id, entry });
  }
  // What is on its way comes after everything that has a number.
  if (to === chat.log.length) {
    for (const outgoing of chat.outgoing.values()) {
      const row = outgoingRow(outgoing, myId);
      startDay(row.sentAt);
      rows.push(row);
    }
  }
  return grouped(rows);
}

/** @param {Chat} chat @param {Entry} entry @param {boolean} own @returns {MessageRow} */
function entryRow(chat, entry, own) {
  const state = chat.states.of(entry.seq);
  const content = chat.contentOf(entry);
  const deleted = content !== undefined && "deleted" in content;
  return {
    type: "message",
    key: entry.message_id,
    seq: entry.seq,
    messageId: entry.message_id,
    senderId: entry.sender_id,
    sentAt: entry.sent_at,
    content,
    replyTo: deleted ? undefined : (entry.reply_to ?? undefined),
    state: own ? "sent" : "received",
    tick: own ? tick(chat, entry.seq) : undefined,
    failure: undefined,
    own,
    deleted,
    editedAt: deleted ? undefined : state?.edited?.at,
    pinned: state?.pinned ?? false,
    reactions: state?.reactions ?? [],
    first: true,
    last: true,
  };
}

/** @param {Chat} chat @param {number} seq @returns {MessageRow["tick"]} */
function tick({ reached }, seq) {
  if (seq <= reached.read) return "read";
  return seq <= reached.delivered ? "delivered" : "sent";
}

/** @param {import("./chat.js").Outgoing} outgoing @param {string} myId @returns {MessageRow} */
function outgoingRow({ item, state, seq, sent_at }, myId) {
  return {
    type: "message",
    key: item.message_id,
    seq,
    messageId: item.message_id,
    senderId: myId,
    sentAt: sent_at ?? item.created_at,
    content: item.content,
    replyTo: item.options.reply_to,
    state,
    failure: state === "failed" ? item.error?.message : undefined,
    own: true,
    tick: state === "sent" ? "sent" : undefined,
    deleted: false,
    editedAt: undefined,
    pinned: false,
    reactions: [],
    first: true,
    last: true,
  };
}

/** @param {Row[]} rows */
function grouped(rows) {
  for (let index = 1; index < rows.length; index += 1) {
    const before = rows[index - 1];
    const row = rows[index];
    if (row.type !== "message" || before.type !== "message") continue;
    if (row.senderId !== before.senderId || row.sentAt - before.sentAt > GROUP_MS) continue;
    row.first = false;
    before.last = false;
  }
  return rows;
}
