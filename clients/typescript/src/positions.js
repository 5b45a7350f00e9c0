/** @typedef {import("./types.js").Position} Position */

/** Cumulative positions: only the largest number of a conversation matters, and only once. */
export class PositionLedger {
  /** @type {Map<string, number>} */
  #reached = new Map();
  /** @type {Map<string, number>} */
  #reported = new Map();

  /**
   * @param {string} conversationId
   * @param {number} seq
   * @returns {boolean} whether there is something to report
   */
  advance(conversationId, seq) {
    if (seq <= (this.#reached.get(conversationId) ?? 0)) return false;
    this.#reached.set(conversationId, seq);
    return seq > (this.#reported.get(conversationId) ?? 0);
  }

  /**
   * What the server says that it has. After a new sign-on this may be less than was reported:
   * the last report was lost with its socket, and is owed again.
   * @param {string} conversationId
   * @param {number} seq
   */
  confirm(conversationId, seq) {
    this.#reported.set(conversationId, seq);
  }

  /** @returns {Position[]} everything owed, counted as reported from now on */
  take() {
    /** @type {Position[]} */
    const owed = [];
    for (const [conversation_id, seq] of this.#reached) {
      if (seq > (this.#reported.get(conversation_id) ?? 0)) {
        owed.push({ conversation_id, seq });
        this.#reported.set(conversation_id, seq);
      }
    }
    return owed;
  }

  /** @param {string} conversationId */
  forget(conversationId) {
    this.#reached.delete(conversationId);
    this.#reported.delete(conversationId);
  }
}
