import { ReceiptLedger } from "./receipts.js";
import { TypingLedger, TypingSender } from "./typing.js";

/** @typedef {import("./types.js").Presence} Presence */
/** @typedef {"online" | "away"} OwnPresence */

const WATCHED_MAX = 500;

/**
 * What is known of people beside the log: how far they read, who writes, who is there. It comes
 * and goes with the connection; nothing of it is owed.
 */
export class Signals {
  receipts = new ReceiptLedger();
  #emit;
  #send;
  #typing;
  #said;
  /** @type {Map<string, Presence>} */
  #presence = new Map();
  /** @type {string[]} */
  #watched = [];
  /** @type {OwnPresence} */
  #own = "online";

  /**
   * @param {object} parts
   * @param {import("./types.js").Clock} parts.clock
   * @param {(name: string, body: object) => void} parts.send
   * @param {(type: string, detail: unknown) => void} parts.emit
   */
  constructor({ clock, send, emit }) {
    this.#send = send;
    this.#emit = emit;
    this.#said = new TypingSender(clock, (conversation_id, state) => send("typing_indicator", { conversation_id, state }));
    this.#typing = new TypingLedger(clock, (conversation_id, user_ids) => emit("typing", { conversation_id, user_ids }));
  }

  /** @param {string} name @param {any} body @returns {boolean} whether the frame was one of these */
  receive(name, body) {
    switch (name) {
      case "message_status":
        this.#status(body.conversation_id, [body]);
        return true;
      case "message_statuses":
        this.#status(body.conversation_id, body.statuses ?? []);
        return true;
      case "typing_update":
        this.#typing.note(body.conversation_id, body.user_id, body.state === "typing" ? "typing" : "stopped");
        return true;
      case "user_online":
        this.#noteOnline(body);
        return true;
      default:
        return false;
    }
  }

  /** Says again what a new connection does not know. */
  connected() {
    if (this.#own !== "online") this.#send("set_presence", { status: this.#own });
    if (this.#watched.length > 0) this.#send("subscribe_presence", { user_ids: this.#watched });
  }

  connectionLost() {
    this.#typing.clear();
  }

  /** Who sent a message writes no more. @param {import("./types.js").Entry} entry */
  noteEntry(entry) {
    if (entry.kind === "new_message") this.#typing.note(entry.conversation_id, entry.sender_id, "stopped");
  }

  /** @param {string} conversationId @param {"typing" | "stopped"} state */
  say(conversationId, state) {
    this.#said.say(conversationId, state);
  }

  /** @param {string} conversationId */
  sent(conversationId) {
    this.#said.sent(conversationId);
  }

  /** @param {string} conversationId */
  typing(conversationId) {
    return this.#typing.users(conversationId);
  }

  /** @param {OwnPresence} status */
  setPresence(status) {
    if (status === this.#own) return;
    this.#own = status;
    this.#send("set_presence", { status });
  }

  /** @param {string[]} userIds */
  watch(userIds) {
    const watched = [...new Set(userIds)].slice(0, WATCHED_MAX);
    if (watched.join() === this.#watched.join()) return;
    this.#watched = watched;
    for (const id of this.#presence.keys()) if (!watched.includes(id)) this.#presence.delete(id);
    this.#send("subscribe_presence", { user_ids: watched });
  }

  /** Who writes has read what stands above; the server tells that to one's other devices. @param {string} conversationId @param {string} userId @param {number} seq */
  wrote(conversationId, userId, seq) {
    this.#status(conversationId, [{ user_id: userId, read: seq }]);
  }

  /** @param {string} userId @returns {Presence | null} null when it was not told */
  presence(userId) {
    return this.#presence.get(userId) ?? null;
  }

  /** @param {string} conversation_id @param {import("./types.js").Status[]} statuses */
  #status(conversation_id, statuses) {
    for (const status of statuses) {
      if (!this.receipts.note(conversation_id, status)) continue;
      const { user_id } = status;
      this.#emit("status", { conversation_id, user_id, ...this.receipts.of(conversation_id, user_id) });
    }
  }

  /** @param {any} body */
  #noteOnline({ user_id, status, last_seen }) {
    const presence = { user_id, status, last_seen: last_seen ?? undefined };
    this.#presence.set(user_id, presence);
    this.#emit("presence", presence);
  }
}
