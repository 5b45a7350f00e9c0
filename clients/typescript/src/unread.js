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
 * Whether a message is meant for a user by name, as one of all, or as one of those who were there
 * when it came.
 * @param {import("./types.js").Entry} entry @param {string} userId @param {boolean} [wasHere]
 */
export function mentionsUser(entry, userId, wasHere = true) {
  const { mention_all, mentions } = entry;
  if (mention_all === "everyone") return true;
  if (mentions?.some((id) => id === userId || id === EVERYONE)) return true;
  return wasHere && mentionsHere(entry);
}

/** Whether a message is for those who were there when it came. @param {import("./types.js").Entry} entry */
export function mentionsHere({ mentions, mention_all }) {
  return mention_all === "here" || (mentions ?? []).includes(HERE);
}

/** Among mentions: every member. */
export const EVERYONE = "00000000-0000-0000-0000-000000000000";
/** Among mentions: every member who is there. */
export const HERE = "00000000-0000-0000-0000-000000000001";

/** @param {Pick<import("./types.js").Entry, "mentions" | "mention_all">} entry whether it is for all of a conversation */
export function mentionsAll({ mentions, mention_all }) {
  return mention_all != null || (mentions ?? []).some((id) => id === EVERYONE || id === HERE);
}

/**
 * How many unread messages of others mention this user; as {@link unreadCount}. `wasHere` tells
 * for which the user was there; when absent, for all.
 * @param {Parameters<typeof unreadCount>[0] & { wasHere?: (seq: number) => boolean }} known
 */
export function unreadMentions({ entries, wasHere = () => true, ...known }) {
  const { userId, heldAfter, read } = known;
  const mine = heldAfter > read ? entries : entries.filter((entry) => mentionsUser(entry, userId, wasHere(entry.seq)));
  return unreadCount({ entries: mine, ...known });
}
