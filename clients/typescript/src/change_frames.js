// What an outbox item is as a frame, and as the entry that it becomes. Pure.

/** @typedef {import("./types.js").OutboxItem} OutboxItem */
/** @typedef {import("./types.js").Entry} Entry */

/** The entry that each change becomes. */
const KINDS = /** @type {const} */ ({
  edit_message: "message_edited",
  delete_message: "message_deleted",
  react: "reaction_changed",
  pin_message: "pin_changed",
});

/**
 * @param {OutboxItem} item
 * @returns {{ name: string, body: object }} without `ref` and `retry`
 */
export function frameOf({ message_id, conversation_id, content, options, change }) {
  const ids = { message_id, conversation_id };
  if (change === undefined) return { name: "send_message", body: { ...ids, content, ...options } };
  const { frame, ...fields } = change;
  return { name: frame, body: { ...ids, ...fields } };
}

/**
 * The sending device is told a number, not the entry: it makes the entry from what it sent.
 * @param {OutboxItem} item
 * @param {{ seq: number, sent_at: number }} place
 * @param {string} senderId
 * @returns {Entry}
 */
export function entryOf({ message_id, conversation_id, content, options, change }, { seq, sent_at }, senderId) {
  const common = { conversation_id, seq, message_id, sender_id: senderId, sent_at };
  if (change !== undefined) {
    const { frame, scope: _scope, ...fields } = change;
    return { kind: KINDS[frame], ...common, ...fields };
  }
  const { reply_to, thread, mentions, forwarded_from, expires_after_ms } = options;
  /** @type {Entry} */
  const entry = { kind: "new_message", ...common, content, reply_to, thread, mentions };
  if (forwarded_from !== undefined) entry.forwarded = true;
  if (expires_after_ms !== undefined) entry.expires_at = sent_at + expires_after_ms;
  return entry;
}
