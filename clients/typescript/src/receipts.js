/** @typedef {{ delivered: number, read: number }} Reached */
/** @typedef {import("./types.js").Status} Status */

/** How far each member is, as far as was told. Positions only grow. */
export class ReceiptLedger {
  /** @type {Map<string, Map<string, Reached>>} */
  #reached = new Map();

  /** @param {string} conversationId @param {Status} status @returns {boolean} whether this is news */
  note(conversationId, { user_id, delivered, read }) {
    const members = this.#reached.get(conversationId) ?? new Map();
    this.#reached.set(conversationId, members);
    const known = members.get(user_id) ?? { delivered: 0, read: 0 };
    const reached = {
      // Whoever read it has it.
      delivered: Math.max(known.delivered, delivered ?? 0, read ?? 0),
      read: Math.max(known.read, read ?? 0),
    };
    members.set(user_id, reached);
    return reached.delivered > known.delivered || reached.read > known.read;
  }

  /**
   * The answer of the receipts route: each member's state is a position of at least `seq`.
   * @param {string} conversationId @param {number} seq @param {import("./types.js").Receipts} receipts
   */
  noteReceipts(conversationId, seq, receipts) {
    let isNews = false;
    for (const { user_id, state } of receipts.members) {
      if (state === "pending") continue;
      const status = { user_id, delivered: seq, read: state === "read" ? seq : 0 };
      isNews = this.note(conversationId, status) || isNews;
    }
    return isNews;
  }

  /**
   * @param {string} conversationId @param {number} seq @param {string} [except] a user left out
   * @returns {{ delivered: string[], read: string[] }} users known to have it, and of those who read it
   */
  state(conversationId, seq, except) {
    const members = [...(this.#reached.get(conversationId) ?? [])].filter(([id]) => id !== except);
    return {
      delivered: members.filter(([, reached]) => reached.delivered >= seq).map(([id]) => id),
      read: members.filter(([, reached]) => reached.read >= seq).map(([id]) => id),
    };
  }

  /** How far all of these users are. @param {string} conversationId @param {string[]} userIds @returns {Reached} */
  all(conversationId, userIds) {
    if (userIds.length === 0) return { delivered: 0, read: 0 };
    const reached = userIds.map((id) => this.of(conversationId, id));
    return {
      delivered: Math.min(...reached.map(({ delivered }) => delivered)),
      read: Math.min(...reached.map(({ read }) => read)),
    };
  }

  /** @param {string} conversationId @param {string} userId @returns {Reached} */
  of(conversationId, userId) {
    return this.#reached.get(conversationId)?.get(userId) ?? { delivered: 0, read: 0 };
  }

  /** @param {string} conversationId */
  forget(conversationId) {
    this.#reached.delete(conversationId);
  }
}
