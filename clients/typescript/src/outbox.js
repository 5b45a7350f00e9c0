/** @typedef {import("./types.js").OutboxItem} OutboxItem */

/**
 * Messages waiting for their number, in the order they were written. Pure: it decides what is
 * to be sent when, and the sender does it.
 */
export class Outbox {
  /** @type {Map<string, OutboxItem>} */
  #items = new Map();
  #inFlightMax;

  /** @param {number} [inFlightMax] messages of one conversation under way at once; with more than
   *   one, a refused message may be overtaken by those behind it */
  constructor(inFlightMax = 1) {
    this.#inFlightMax = inFlightMax;
  }

  /** @param {OutboxItem} item */
  add(item) {
    this.#items.set(item.message_id, item);
  }

  /** @param {string} messageId */
  get(messageId) {
    return this.#items.get(messageId);
  }

  /** @param {string} messageId */
  remove(messageId) {
    const item = this.#items.get(messageId);
    this.#items.delete(messageId);
    return item;
  }

  /** @param {string} [conversationId] @returns {OutboxItem[]} */
  items(conversationId) {
    const all = [...this.#items.values()];
    return conversationId === undefined
      ? all
      : all.filter((item) => item.conversation_id === conversationId);
  }

  /**
   * Marks what may go now as in flight and hands it out. A waiting message holds back those
   * behind it in its conversation: they keep the order they were written in.
   * @param {number} nowMs
   * @returns {OutboxItem[]}
   */
  takeDue(nowMs) {
    /** @type {OutboxItem[]} */
    const due = [];
    for (const queue of this.#queues()) {
      let inFlight = 0;
      for (const item of queue) {
        if (item.state === "waiting" && item.due_at > nowMs) break;
        inFlight += 1;
        if (inFlight > this.#inFlightMax) break;
        if (item.state === "waiting") {
          item.state = "in_flight";
          item.attempts += 1;
          due.push(item);
        }
      }
    }
    return due;
  }

  /** @returns {number | null} when {@link takeDue} next has something that only time releases */
  nextDueAt() {
    let next = null;
    for (const [first] of this.#queues()) {
      if (first.state === "waiting" && (next === null || first.due_at < next)) next = first.due_at;
    }
    return next;
  }

  /** @param {string} messageId @param {number} dueAt */
  postpone(messageId, dueAt) {
    const item = this.#items.get(messageId);
    if (item === undefined || item.state !== "in_flight") return;
    item.state = "waiting";
    item.due_at = dueAt;
  }

  /** @param {string} messageId @param {{ code: string, message: string }} error */
  fail(messageId, error) {
    const item = this.#items.get(messageId);
    if (item === undefined) return undefined;
    item.state = "failed";
    item.error = error;
    return item;
  }

  /** The socket is gone: whatever was under way may or may not have arrived. */
  connectionLost() {
    for (const item of this.#items.values()) {
      if (item.state === "in_flight") {
        item.state = "waiting";
        item.due_at = 0;
      }
    }
  }

  /** @returns {OutboxItem[][]} unfailed items by conversation, oldest first, none empty */
  #queues() {
    /** @type {Map<string, OutboxItem[]>} */
    const queues = new Map();
    for (const item of this.#items.values()) {
      if (item.state === "failed") continue;
      const queue = queues.get(item.conversation_id);
      if (queue === undefined) queues.set(item.conversation_id, [item]);
      else queue.push(item);
    }
    return [...queues.values()];
  }
}
