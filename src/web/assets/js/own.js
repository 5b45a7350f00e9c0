// What is this user's own, on all devices: settings, blocks, how chats are held, what is hidden and scheduled.

/** @typedef {import("/sdk/src/index.js").SwitchboardClient} SwitchboardClient */
/** @typedef {import("/sdk/src/index.js").Scheduled} Scheduled */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./chat.js").Chat} Chat */

const HOUR_MS = 3_600_000;
/** Muted without an end. */
const FOREVER_MS = 100 * 365 * 24 * HOUR_MS;

/** @type {{ label: string, ms: number }[]} */
export const MUTES = [
  { label: "For 1 hour", ms: HOUR_MS },
  { label: "For 8 hours", ms: 8 * HOUR_MS },
  { label: "For 1 week", ms: 7 * 24 * HOUR_MS },
  { label: "Until I turn it on again", ms: FOREVER_MS },
];

export class Own {
  #client;
  #state;
  #toast;
  /** Chats asked about since the last connection. @type {Set<string>} */
  #caughtUp = new Set();

  /** @param {SwitchboardClient} client @param {State} state @param {(text: string) => void} toast @param {AbortSignal} signal */
  constructor(client, state, toast, signal) {
    this.#client = client;
    this.#state = state;
    this.#toast = toast;
    /** @param {string} type @param {(detail: any) => void} handle */
    const on = (type, handle) =>
      client.addEventListener(type, (event) => handle(/** @type {CustomEvent} */ (event).detail), { signal });
    on("settings", (settings) => {
      state.settings = settings;
      state.changed("own");
    });
    on("conversation_settings", ({ conversation_id, ...holding }) => {
      state.chat(conversation_id).hold(holding);
      state.changed("chats", "open");
    });
    on("message_hidden", ({ conversation_id, seq }) => {
      state.chat(conversation_id).states.hide(seq);
      state.changed("log", "chats");
    });
    on("thread_read", ({ conversation_id, thread, seq }) => {
      if (state.chat(conversation_id).threads.noteRead(thread, seq)) state.changed("log", "open");
    });
    on("thread_followed", ({ conversation_id, thread, on: follows }) => {
      const { threads, head } = state.chat(conversation_id);
      if (threads.noteFollow(thread, follows, head)) state.changed("log", "open");
    });
    on("block", ({ user_id, blocked }) => this.#noteBlock(user_id, blocked));
    on("scheduled", (news) => void this.#scheduledChanged(news));
  }

  /** Asks for all of it; what this server does not offer stays unknown. */
  async read() {
    const { api } = this.#client;
    const [settings, blocks, scheduled] = await Promise.all([
      offered(api.settings()), offered(api.blocks()), offered(api.scheduled()),
    ]);
    const state = this.#state;
    if (settings !== undefined) state.settings = settings;
    if (blocks !== undefined) state.blocked = blocks && new Set(blocks.map(({ user_id }) => user_id));
    if (blocks) state.learn(blocks);
    if (scheduled !== undefined) state.scheduled = scheduled;
    state.changed("own", "open", "chats");
    this.#caughtUp.clear();
    if (state.open !== null) void this.catchUp(state.open);
  }

  /** What was hidden and read here on other devices while this one was away. @param {Chat} chat */
  async catchUp(chat) {
    if (this.#state.settings === null || this.#caughtUp.has(chat.id)) return;
    this.#caughtUp.add(chat.id);
    try {
      const { hidden, threads } = await this.#client.api.ownConversation(chat.id);
      for (const seq of hidden) chat.states.hide(seq);
      for (const { thread, read } of threads) chat.threads.noteRead(thread, read);
      this.#state.changed("log", "open", "chats");
    } catch {
      this.#caughtUp.delete(chat.id);
    }
  }

  // === chats ===

  /** @param {Chat} chat @param {import("/sdk/src/index.js").Holding} holding */
  async hold(chat, holding) {
    const before = { muted_until: chat.mutedUntil, archived: chat.archived, pinned: chat.pinned };
    chat.hold(holding);
    this.#state.changed("chats", "open");
    await this.#attempt(() => this.#client.api.holdConversation(chat.id, holding), () => chat.hold(before));
  }

  /** @param {Chat} chat @param {number} ms zero: no more */
  mute(chat, ms) {
    return this.hold(chat, { muted_until: ms === 0 ? null : Date.now() + ms });
  }

  /** Deletes a message for this user alone. @param {Chat} chat @param {number} seq */
  hide(chat, seq) {
    return this.#attempt(() => this.#client.hideMessage(chat.id, seq));
  }

  /** Follows a thread or leaves it. @param {Chat} chat @param {number} thread @param {boolean} on */
  followThread(chat, thread, on) {
    return this.#attempt(() => this.#client.followThread(chat.id, thread, on));
  }

  // === people ===

  /** @param {string} userId @param {boolean} on */
  async block(userId, on) {
    const { api } = this.#client;
    await this.#attempt(async () => {
      await (on ? api.block(userId) : api.unblock(userId));
      this.#noteBlock(userId, on);
    });
  }

  /** @param {Partial<import("/sdk/src/index.js").Settings>} change */
  async changeSettings(change) {
    this.#state.settings = await this.#client.api.changeSettings(change);
    this.#state.changed("own");
  }

  /** @param {{ display_name: string, status_text: string }} profile */
  async changeProfile(profile) {
    await this.#client.api.changeProfile(profile);
    if (this.#state.me === null) return;
    this.#state.me = { ...this.#state.me, ...profile };
    this.#state.learn([this.#state.me]);
    this.#state.changed("me", "log");
  }

  // === later ===

  /** @param {Chat} chat @param {string} text @param {{ send_at: number, reply_to?: number, mentions?: string[] }} options */
  async schedule(chat, text, options) {
    this.#noteScheduled(await this.#client.api.schedule(chat.id, text, options));
  }

  /** @param {string} id @param {{ content: string, send_at: number }} change */
  async reschedule(id, change) {
    this.#noteScheduled(await this.#client.api.changeScheduled(id, change));
  }

  /** @param {string} id */
  async cancel(id) {
    await this.#client.api.cancelScheduled(id);
    this.#dropScheduled(id);
  }

  /** @param {string} chatId @returns {Scheduled[]} */
  scheduledIn(chatId) {
    return (this.#state.scheduled ?? []).filter(({ conversation_id }) => conversation_id === chatId);
  }

  /** @param {{ scheduled_id: string, state: string, conversation_id: string }} news */
  async #scheduledChanged({ scheduled_id, state, conversation_id }) {
    if (state === "sent" || state === "cancelled") return this.#dropScheduled(scheduled_id);
    if (state === "failed") this.#toast(`A scheduled message in ${this.#state.chats.get(conversation_id)?.title ?? "a chat"} could not be sent.`);
    // The news says that, not what: the list does.
    const scheduled = await offered(this.#client.api.scheduled());
    if (scheduled) this.#state.scheduled = scheduled;
    this.#state.changed("own");
    return undefined;
  }

  /** @param {Scheduled} one */
  #noteScheduled(one) {
    const others = (this.#state.scheduled ?? []).filter(({ scheduled_id }) => scheduled_id !== one.scheduled_id);
    this.#state.scheduled = [...others, one].sort((a, b) => a.send_at - b.send_at);
    this.#state.changed("own");
  }

  /** @param {string} id */
  #dropScheduled(id) {
    if (this.#state.scheduled === null) return;
    this.#state.scheduled = this.#state.scheduled.filter(({ scheduled_id }) => scheduled_id !== id);
    this.#state.changed("own");
  }

  /** @param {string} userId @param {boolean} on */
  #noteBlock(userId, on) {
    if (on) this.#state.blocked?.add(userId);
    else this.#state.blocked?.delete(userId);
    this.#state.changed("own", "open", "people");
  }

  /** @param {() => Promise<unknown>} act @param {() => void} [undo] */
  async #attempt(act, undo) {
    try {
      await act();
    } catch (error) {
      undo?.();
      this.#state.changed("chats", "open");
      this.#toast(/** @type {Error} */ (error).message);
    }
  }
}

/**
 * What a server without the route answers is null; when it cannot be had just now, undefined.
 * @template T @param {Promise<T>} asked @returns {Promise<T | null | undefined>}
 */
function offered(asked) {
  return asked.catch((error) => (error.status === 404 || error.status === 405 ? null : undefined));
}
