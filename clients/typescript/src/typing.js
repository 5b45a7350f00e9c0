/** At most one frame in this time while somebody writes. */
export const TYPING_REPEAT_MS = 3_000;
/** Somebody who was not heard of for this long has stopped. */
export const TYPING_EXPIRES_MS = 6_000;

/** @typedef {import("./types.js").Clock} Clock */
/** @typedef {"typing" | "stopped"} TypingState */

/** Says that this user writes, seldom enough. */
export class TypingSender {
  #clock;
  #send;
  /** @type {Map<string, number>} conversation → when it was said last */
  #said = new Map();

  /** @param {Clock} clock @param {(conversationId: string, state: TypingState) => void} send */
  constructor(clock, send) {
    this.#clock = clock;
    this.#send = send;
  }

  /** @param {string} conversationId @param {TypingState} state */
  say(conversationId, state) {
    const now = this.#clock.now();
    const said = this.#said.get(conversationId);
    if (state === "typing") {
      if (said !== undefined && now - said < TYPING_REPEAT_MS) return;
      this.#said.set(conversationId, now);
    } else {
      this.#said.delete(conversationId);
      // Others have given up by themselves already.
      if (said === undefined || now - said >= TYPING_EXPIRES_MS) return;
    }
    this.#send(conversationId, state);
  }

  /** What a message ends by itself needs no word. @param {string} conversationId */
  sent(conversationId) {
    this.#said.delete(conversationId);
  }
}

/** Who writes where, until they stop or are not heard of any more. */
export class TypingLedger {
  #clock;
  #onChange;
  /** @type {Map<string, Map<string, any>>} conversation → user → timer */
  #typing = new Map();

  /** @param {Clock} clock @param {(conversationId: string, userIds: string[]) => void} onChange */
  constructor(clock, onChange) {
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** @param {string} conversationId @param {string} userId @param {TypingState} state */
  note(conversationId, userId, state) {
    const users = this.#typing.get(conversationId) ?? new Map();
    const wasTyping = users.has(userId);
    this.#clock.clearTimeout(users.get(userId));
    if (state === "typing") {
      this.#typing.set(conversationId, users);
      const expire = () => this.note(conversationId, userId, "stopped");
      users.set(userId, this.#clock.setTimeout(expire, TYPING_EXPIRES_MS));
    } else {
      users.delete(userId);
      if (users.size === 0) this.#typing.delete(conversationId);
    }
    if (wasTyping !== (state === "typing")) this.#onChange(conversationId, this.users(conversationId));
  }

  /** @param {string} conversationId @returns {string[]} */
  users(conversationId) {
    return [...(this.#typing.get(conversationId)?.keys() ?? [])];
  }

  /** Without a connection nothing is known. */
  clear() {
    for (const [id, users] of [...this.#typing]) {
      for (const userId of [...users.keys()]) this.note(id, userId, "stopped");
    }
  }
}
