// What a server says became of messages: a replay of the whole log, written without regard to
// how the SDK does it, so that each checks the other.

const NAMED_MAX = 100;

/** @typedef {{ kind: string, seq: number, sender_id: string, sent_at: number, target?: number, [field: string]: any }} LogEntry */

/**
 * @param {LogEntry[]} log
 * @param {number} seq of a message
 * @param {number} [head] nothing beyond it counts
 * @returns {any} its state, or null when nothing was changed
 */
export function stateOf(log, seq, head = Infinity) {
  const changes = log.filter((entry) => entry.target === seq && entry.seq <= head).sort((a, b) => a.seq - b.seq);
  const last = (/** @type {string} */ name) => changes.filter(({ kind }) => kind === name).at(-1);
  const deletion = last("message_deleted");
  if (deletion) return { seq, deleted: { seq: deletion.seq, at: deletion.sent_at, by: deletion.sender_id } };
  const edit = last("message_edited");
  const pin = last("pin_changed");
  const reactions = reactionsOf(changes.filter(({ kind }) => kind === "reaction_changed"));
  if (!edit && !pin?.on && reactions.length === 0) return null;
  return {
    seq,
    ...(edit && { edited: { seq: edit.seq, at: edit.sent_at, content: edit.content } }),
    ...(reactions.length > 0 && { reactions }),
    ...(pin?.on && { pinned: true }),
  };
}

/** @param {LogEntry[]} changes ascending */
function reactionsOf(changes) {
  const lastWords = changes.filter(({ seq, sender_id, emoji }) =>
    !changes.some((other) => other.seq > seq && other.sender_id === sender_id && other.emoji === emoji));
  const standing = lastWords.filter(({ on }) => on);
  return [...new Set(standing.map(({ emoji }) => emoji))].map((emoji) => {
    const users = standing.filter((one) => one.emoji === emoji).map(({ sender_id }) => sender_id);
    return { emoji, count: users.length, user_ids: users.slice(0, NAMED_MAX) };
  });
}

/** @param {LogEntry[]} log @param {{ seq: number }[]} entries of a page @param {number} head */
export function statesOf(log, entries, head) {
  return entries.flatMap(({ seq }) => stateOf(log, seq, head) ?? []);
}
