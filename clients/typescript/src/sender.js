import { fullJitterMs } from "./backoff.js";
import { frameOf } from "./change_frames.js";
import { SwitchboardError } from "./errors.js";
import { Outbox } from "./outbox.js";
import { uuidV7 } from "./uuid.js";

/** @typedef {import("./types.js").OutboxItem} OutboxItem */
/** @typedef {import("./types.js").SendResult} SendResult */
/** @typedef {{ resolve: (result: SendResult) => void, reject: (error: SwitchboardError) => void }} Waiter */

/**
 * @typedef {object} SenderParts
 * @property {import("./types.js").Clock} clock
 * @property {() => number} random
 * @property {import("./storage.js").OutboxStorage} storage
 * @property {number} inFlightMax
 * @property {() => boolean} connected
 * @property {(name: string, body: object) => Promise<any>} ask
 * @property {(item: OutboxItem, state: "pending" | "sent" | "failed", result?: SendResult) => void} onState
 */

/** Carries messages from the outbox to the server until each has a number or is refused. */
export class Sender {
  #outbox;
  #parts;
  /** @type {Map<string, Waiter>} */
  #waiters = new Map();
  /** @type {any} */
  #timer;

  /** @param {SenderParts} parts */
  constructor(parts) {
    this.#parts = parts;
    this.#outbox = new Outbox(parts.inFlightMax);
  }

  /** Takes up what an earlier run left: it may have been sent, so it goes out as a retry. */
  restore() {
    for (const item of this.#parts.storage.load()) {
      if (this.#outbox.get(item.message_id) !== undefined) continue;
      const state = item.state === "failed" ? "failed" : "waiting";
      this.#outbox.add({ ...item, state, due_at: 0, maybe_sent: true });
    }
  }

  /**
   * @param {string} conversationId
   * @param {Pick<OutboxItem, "content" | "options" | "change">} what a message, or a change of one
   * @returns {{ item: OutboxItem, sent: Promise<SendResult> }}
   */
  add(conversationId, what) {
    const now = this.#parts.clock.now();
    /** @type {OutboxItem} */
    const item = {
      message_id: uuidV7(now),
      conversation_id: conversationId,
      ...what,
      created_at: now,
      state: "waiting",
      maybe_sent: false,
      attempts: 0,
      due_at: 0,
    };
    const sent = this.#watch(item.message_id);
    this.#outbox.add(item);
    this.#parts.storage.put(item);
    this.#parts.onState(item, "pending");
    this.flush();
    return { item, sent };
  }

  /** @param {string} [conversationId] */
  items(conversationId) {
    return this.#outbox.items(conversationId);
  }

  /** @param {string} messageId of a failed message @returns {Promise<SendResult>} */
  retry(messageId) {
    const item = this.#outbox.remove(messageId);
    if (item?.state !== "failed") {
      if (item !== undefined) this.#outbox.add(item);
      throw new SwitchboardError("not_found", "There is no failed message with this id.");
    }
    const sent = this.#watch(messageId);
    this.#outbox.add({ ...item, state: "waiting", due_at: 0, error: undefined });
    this.#parts.storage.put(/** @type {OutboxItem} */ (this.#outbox.get(messageId)));
    this.#parts.onState(item, "pending");
    this.flush();
    return sent;
  }

  /** @param {string} messageId of a failed message */
  discard(messageId) {
    if (this.#outbox.get(messageId)?.state !== "failed") return;
    this.#outbox.remove(messageId);
    this.#parts.storage.remove(messageId);
  }

  /** Sends what may go now, and comes back when time releases more. */
  flush() {
    this.#parts.clock.clearTimeout(this.#timer);
    if (!this.#parts.connected()) return;
    const now = this.#parts.clock.now();
    for (const item of this.#outbox.takeDue(now)) void this.#transmit(item);
    const next = this.#outbox.nextDueAt();
    if (next !== null) {
      this.#timer = this.#parts.clock.setTimeout(() => this.flush(), Math.max(0, next - now));
    }
  }

  connectionLost() {
    this.#parts.clock.clearTimeout(this.#timer);
    this.#outbox.connectionLost();
  }

  /**
   * The message has a number: by `accepted`, or because it was seen in the log.
   * @param {string} messageId
   * @param {SendResult} result
   * @returns {OutboxItem | undefined} the item, the first time only
   */
  settle(messageId, result) {
    const item = this.#outbox.remove(messageId);
    if (item === undefined) return undefined;
    this.#parts.storage.remove(messageId);
    this.#parts.onState(item, "sent", result);
    this.#waiters.get(messageId)?.resolve(result);
    this.#waiters.delete(messageId);
    this.flush();
    return item;
  }

  /** @param {OutboxItem} item */
  async #transmit(item) {
    const retry = item.maybe_sent ? true : undefined;
    item.maybe_sent = true;
    try {
      const { name, body } = frameOf(item);
      await this.#parts.ask(name, { ...body, retry });
    } catch (error) {
      this.#refused(item, /** @type {SwitchboardError} */ (error));
    }
  }

  /** @param {OutboxItem} item @param {SwitchboardError} error */
  #refused(item, error) {
    // A lost connection has already put it back; the next one sends it again.
    if (error.code === "unreachable") return;
    if (error.temporary) {
      const { clock, random } = this.#parts;
      const delayMs = (error.retryAfterMs ?? 0) + fullJitterMs(item.attempts, random);
      this.#outbox.postpone(item.message_id, clock.now() + delayMs);
    } else {
      this.#fail(item, error);
    }
    this.flush();
  }

  /** @param {OutboxItem} item @param {SwitchboardError} error */
  #fail(item, error) {
    const failed = this.#outbox.fail(item.message_id, { code: error.code, message: error.message });
    if (failed === undefined) return;
    if (failed.change === undefined) {
      this.#parts.storage.put(failed);
    } else {
      // A message is worth keeping until its author decides; a click is not.
      this.#outbox.remove(item.message_id);
      this.#parts.storage.remove(item.message_id);
    }
    this.#parts.onState(failed, "failed");
    this.#waiters.get(item.message_id)?.reject(error);
    this.#waiters.delete(item.message_id);
  }

  /** @param {string} messageId @returns {Promise<SendResult>} */
  #watch(messageId) {
    const sent = new Promise((resolve, reject) => {
      this.#waiters.set(messageId, { resolve, reject });
    });
    // Applications may follow events instead of the promise.
    sent.catch(() => {});
    return /** @type {Promise<SendResult>} */ (sent);
  }
}
