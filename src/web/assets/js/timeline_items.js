// From a conversation's facts to the rows of its timeline. Pure.
import { mentionsAll } from "/sdk/src/index.js";
import { hasExpired } from "./chat.js";
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
 * @property {string[]} mentions
 * @property {boolean} forAll     it mentions everyone
 * @property {boolean} forwarded
 * @property {number | undefined} expiresAt
 * @property {{ replies: number, unread: number, participants: string[] } | undefined} thread what was answered to it
 * @property {boolean} first  begins a group
 * @property {boolean} last   ends a group
 */

/** @typedef {{ type: "day", key: string, text: string, at: number }} DayRow */
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
  // Replies have a place of their own, where the server knows of threads.
  const isReply = (/** @type {number | null | undefined} */ thread) => thread != null && chat.threads.isKnown;
  const entries = chat.log.slice(from, to).filter(({ thread }) => !isReply(thread));
  // What is on its way comes after everything that has a number.
  const outgoing = to < chat.log.length ? [] : [...chat.outgoing.values()].filter(({ item }) => !isReply(item.options.thread));
  return rowsOf(chat, entries, outgoing, { myId, unreadAfter: chat.unreadAfter });
}

/** The replies of the thread that is open. @param {Chat} chat @param {string} myId @returns {Row[]} */
export function threadRows(chat, myId) {
  const { openThread } = chat;
  if (openThread === null) return [];
  const outgoing = [...chat.outgoing.values()].filter(({ item }) => item.options.thread === openThread.root);
  return rowsOf(chat, openThread.entries, outgoing, { myId, unreadAfter: openThread.unreadAfter });
}

/**
 * @param {Chat} chat @param {Entry[]} entries @param {import("./chat.js").Outgoing[]} outgoing
 * @param {{ myId: string, unreadAfter: number | null }} reader
 */
function rowsOf(chat, entries, outgoing, { myId, unreadAfter }) {
  /** @type {Row[]} */
  const rows = [];
  let day = "";
  let unreadShown = false;
  /** @param {number} sentAt */
  const startDay = (sentAt) => {
    const key = dayKey(sentAt);
    if (key === day) return;
    day = key;
    rows.push({ type: "day", key: `day ${key}`, text: dayName(sentAt), at: sentAt });
  };
  for (const entry of entries) {
    if (hasExpired(entry)) continue;
    const own = entry.sender_id === myId;
    startDay(entry.sent_at);
    if (unreadAfter !== null && !unreadShown && entry.seq > unreadAfter && !own) {
      unreadShown = true;
      rows.push({ type: "unread", key: "unread" });
    }
    rows.push(entry.kind === "new_message" ? entryRow(chat, entry, own) : { type: "system", key: entry.message_id, entry });
  }
  for (const one of outgoing) {
    const row = outgoingRow(one, myId);
    startDay(row.sentAt);
    rows.push(row);
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
    mentions: state?.edited?.mentions ?? entry.mentions ?? [],
    forAll: mentionsAll({ mention_all: entry.mention_all, mentions: state?.edited?.mentions ?? entry.mentions }),
    forwarded: entry.forwarded === true && !deleted,
    expiresAt: deleted ? undefined : (entry.expires_at ?? undefined),
    thread: chat.threads.get(entry.seq),
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
    mentions: item.options.mentions ?? [],
    forAll: mentionsAll(item.options),
    forwarded: item.options.forwarded_from !== undefined,
    expiresAt: item.options.expires_after_ms === undefined ? undefined : (sent_at ?? item.created_at) + item.options.expires_after_ms,
    thread: undefined,
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
