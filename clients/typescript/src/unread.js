/**
 * How many messages of others are unread. Counted when all of them are held, else told by the
 * server.
 * @param {object} known
 * @param {import("./types.js").Entry[]} known.entries held entries, ascending
 * @param {number} known.heldAfter everything above this number is held
 * @param {number} known.read this user has read up to here
 * @param {number} known.head
 * @param {string} known.userId
 * @param {number} known.told by the server, for when not everything is held
 * @param {(seq: number) => boolean} [known.isDeleted] what is gone need not be read
 */
export function unreadCount({ entries, heldAfter, read, head, userId, told, isDeleted }) {
  if (read >= head) return 0;
  if (heldAfter > read) return Math.min(told, head - read);
  let count = 0;
  for (let index = entries.length - 1; index >= 0 && entries[index].seq > read; index -= 1) {
    const { kind, sender_id, seq } = entries[index];
    if (kind === "new_message" && sender_id !== userId && isDeleted?.(seq) !== true) count += 1;
  }
  return count;
}

/**
 * Whether a message is meant for a user by name, or as one of all.
 * @param {import("./types.js").Entry} entry @param {string} userId
 */
export function mentionsUser({ mentions, mention_all }, userId) {
  return mentionsAll({ mentions, mention_all }) || (mentions ?? []).includes(userId);
}

/** Among mentions: every member. */
export const EVERYONE = "00000000-0000-0000-0000-000000000000";
/** Among mentions: every member; those who are not there need no notification. */
export const HERE = "00000000-0000-0000-0000-000000000001";

/** @param {Pick<import("./types.js").Entry, "mentions" | "mention_all">} entry whether it is for all of a conversation */
export function mentionsAll({ mentions, mention_all }) {
  return mention_all != null || (mentions ?? []).some((id) => id === EVERYONE || id === HERE);
}

/**
 * How many unread messages of others mention this user; as {@link unreadCount}.
 * @param {Parameters<typeof unreadCount>[0]} known
 */
export function unreadMentions({ entries, ...known }) {
  const { userId, heldAfter, read } = known;
  const mine = heldAfter > read ? entries : entries.filter((entry) => mentionsUser(entry, userId));
  return unreadCount({ entries: mine, ...known });
}
