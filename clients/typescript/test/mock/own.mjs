// What the mock server keeps for one user alone: settings, drafts, blocks, what is hidden and scheduled.
import { asEntries } from "../../src/codec.js";
import { mentionsUser } from "../../src/unread.js";
import { uuidV7 } from "../../src/uuid.js";
import { Refusal } from "./refusal.mjs";
import { statesOf } from "./states.mjs";

/** @typedef {import("./world.mjs").World} World */
/** @typedef {import("./world.mjs").Conversation} Conversation */

const THREADS_MAX = 50;

export class OwnFacts {
  /** @type {Map<string, any>} user → settings */
  settings = new Map();
  /** @type {Map<string, any>} `user conversation` → muted_until, archived, pinned */
  holding = new Map();
  /** @type {Map<string, any>} */
  drafts = new Map();
  /** @type {Map<string, Set<number>>} */
  hidden = new Map();
  /** @type {Map<string, Map<number, number>>} `user conversation` → thread → read */
  threadReads = new Map();
  /** @type {Map<string, Map<number, { on: boolean, since: number }>>} `user conversation` → thread → said by hand */
  threadFollows = new Map();
  /** @type {Map<string, Set<string>>} */
  blocked = new Map();
  /** @type {Map<string, any>} scheduled id → itself, with its user and timer */
  waiting = new Map();
  #lastStamp = 0;

  /** @param {World} world */
  constructor(world) {
    this.world = world;
  }

  /** @param {string} userId @param {string} name @param {any} body @param {string | null} fromDevice */
  #tell(userId, name, body, fromDevice) {
    for (const listener of this.world.userListeners) listener(userId, { [name]: body }, fromDevice);
  }

  /** @param {string} userId */
  settingsOf(userId) {
    return this.settings.get(userId) ?? { read_receipts: true, presence: "everyone", last_seen: "everyone" };
  }

  /** @param {string} userId @param {any} change @param {string} device */
  changeSettings(userId, change, device) {
    const next = { ...this.settingsOf(userId), ...change };
    this.settings.set(userId, next);
    this.#tell(userId, "settings_changed", next, device);
    return next;
  }

  /** @param {string} userId @param {string} id */
  conversation(userId, id) {
    this.world.readable(userId, id);
    const key = `${userId} ${id}`;
    return {
      conversation_id: id,
      ...this.holding.get(key),
      draft: this.drafts.get(key),
      hidden: [...(this.hidden.get(key) ?? [])],
      threads: this.#threadsOf(key),
    };
  }

  /** @param {string} key */
  #threadsOf(key) {
    const [reads, follows] = [this.threadReads.get(key), this.threadFollows.get(key)];
    const roots = [...new Set([...(reads?.keys() ?? []), ...(follows?.keys() ?? [])])].sort((a, b) => a - b);
    return roots.map((thread) => ({ thread, read: reads?.get(thread) ?? 0, following: follows?.get(thread)?.on }));
  }

  /** @param {string} userId @param {string} id @param {any} change @param {string} device */
  hold(userId, id, change, device) {
    const key = `${userId} ${id}`;
    const next = { ...this.holding.get(key), ...change };
    this.holding.set(key, next);
    this.#tell(userId, "conversation_settings", { conversation_id: id, ...next }, device);
    return this.conversation(userId, id);
  }

  /** @param {string} userId @param {string} id @param {{ text: string, reply_to?: number }} draft @param {string | null} device */
  saveDraft(userId, id, { text, reply_to }, device) {
    this.#lastStamp = Math.max(this.#lastStamp + 1, Date.now());
    const draft = { text, reply_to, updated_at: this.#lastStamp };
    if (text === "") this.drafts.delete(`${userId} ${id}`);
    else this.drafts.set(`${userId} ${id}`, draft);
    this.#tell(userId, "draft_changed", { conversation_id: id, ...draft }, device);
    return draft;
  }

  /** @param {string} userId @param {string} id @param {number} seq @param {string} device */
  hide(userId, id, seq, device) {
    const key = `${userId} ${id}`;
    this.hidden.set(key, (this.hidden.get(key) ?? new Set()).add(seq));
    this.#tell(userId, "message_hidden", { conversation_id: id, seq }, device);
  }

  /** An entry without what this user may not read any more. @param {string} userId @param {any} frame */
  seenBy(userId, frame) {
    const [name] = Object.keys(frame);
    const body = frame[name];
    const isHidden = this.hidden.get(`${userId} ${body.conversation_id}`)?.has(body.seq);
    const isExpired = body.expires_at !== undefined && body.expires_at <= Date.now();
    return isHidden || isExpired ? { [name]: { ...body, content: { deleted: {} } } } : frame;
  }

  /** @param {string} userId @param {Conversation} conversation @param {number} read */
  listFacts(userId, conversation, read) {
    const key = `${userId} ${conversation.conversation_id}`;
    const news = asEntries(conversation.log.slice(read)).filter(({ kind, sender_id }) => kind === "new_message" && sender_id !== userId);
    const mentions = news.filter((entry) => mentionsUser(entry, userId)).length;
    return { unread: news.length, mentions, draft: this.drafts.get(key), ...this.holding.get(key) };
  }

  // === blocks ===

  /** @param {string} userId @param {string} other @param {boolean} on @param {string} device */
  block(userId, other, on, device) {
    const blocked = this.blocked.get(userId) ?? new Set();
    this.blocked.set(userId, blocked);
    if (on) blocked.add(other);
    else blocked.delete(other);
    this.#tell(userId, "block_changed", { user_id: other, blocked: on }, device);
  }

  /** @param {string} userId @param {Conversation} conversation */
  mayWrite(userId, conversation) {
    if (conversation.kind !== "direct") return;
    const peer = [...conversation.members.keys()].find((id) => id !== userId) ?? "";
    if (this.blocked.get(peer)?.has(userId)) throw new Refusal(403, "forbidden", "This user does not want to hear from you.");
  }

  // === later ===

  /** @param {string} userId @param {any} request */
  schedule(userId, { conversation_id, content, reply_to, mentions, send_at }) {
    this.world.readable(userId, conversation_id);
    if (send_at <= Date.now()) throw new Refusal(422, "invalid_field", "send_at: must be later than now");
    const one = { scheduled_id: uuidV7(), conversation_id, message_id: uuidV7(), content, reply_to, mentions, send_at, created_at: Date.now(), state: "pending" };
    this.#wait(userId, one);
    return one;
  }

  /** @param {string} userId @param {string} id @param {any} change */
  reschedule(userId, id, change) {
    const { one } = this.#scheduled(userId, id);
    const next = { ...one, ...change, state: "pending", failure: undefined };
    clearTimeout(this.waiting.get(id).timer);
    this.#wait(userId, next);
    return next;
  }

  /** @param {string} userId @param {string} id */
  cancel(userId, id) {
    const { one, timer } = this.#scheduled(userId, id);
    clearTimeout(timer);
    this.waiting.delete(id);
    this.#tellScheduled(userId, one, { state: "cancelled" });
  }

  /** @param {string} userId */
  scheduledOf(userId) {
    return [...this.waiting.values()].filter((one) => one.userId === userId).map(({ one }) => one).sort((a, b) => a.send_at - b.send_at);
  }

  /** @param {string} userId @param {string} id */
  #scheduled(userId, id) {
    const found = this.waiting.get(id);
    if (found?.userId !== userId) throw new Refusal(404, "not_found", "No such scheduled message.");
    return found;
  }

  /** @param {string} userId @param {any} one */
  #wait(userId, one) {
    const timer = setTimeout(() => this.#due(userId, one), Math.max(0, one.send_at - Date.now()));
    timer.unref();
    this.waiting.set(one.scheduled_id, { userId, one, timer });
    this.#tellScheduled(userId, one, { state: "pending" });
  }

  /** @param {string} userId @param {any} one */
  #due(userId, one) {
    try {
      const { body } = this.world.send(userId, one, null);
      this.waiting.delete(one.scheduled_id);
      this.#tellScheduled(userId, one, { state: "sent", seq: body.seq });
    } catch (error) {
      const failure = /** @type {Refusal} */ (error).code;
      Object.assign(one, { state: "failed", failure });
      this.#tellScheduled(userId, one, { state: "failed", failure });
    }
  }

  /** @param {string} userId @param {any} one @param {any} news */
  #tellScheduled(userId, { scheduled_id, conversation_id, send_at }, news) {
    this.#tell(userId, "scheduled_changed", { scheduled_id, conversation_id, send_at, ...news }, null);
  }

  // === threads ===

  /** @param {string} userId @param {string} id @param {{ before?: number, limit?: number }} range */
  threads(userId, id, { before = Infinity, limit = 20 }) {
    if (limit > THREADS_MAX) throw new Refusal(422, "invalid_field", `limit: at most ${THREADS_MAX}`);
    const conversation = this.world.readable(userId, id);
    const messages = asEntries(conversation.log).filter(({ kind }) => kind === "new_message");
    const roots = [...new Set(messages.flatMap(({ thread }) => thread ?? []))].filter((root) => root < before).sort((a, b) => b - a).slice(0, limit);
    const threads = roots.map((root) => {
      const replies = messages.filter(({ thread }) => thread === root);
      const followed = this.threadFollows.get(`${userId} ${id}`)?.get(root);
      const replied = replies.filter(({ sender_id }) => sender_id === userId).at(-1)?.seq ?? 0;
      const read = Math.max(this.threadReads.get(`${userId} ${id}`)?.get(root) ?? 0, followed?.on ? followed.since : 0);
      const hasPart = replied > 0 || conversation.log[root - 1]?.new_message?.sender_id === userId;
      const following = followed === undefined ? hasPart : followed.on || replied > followed.since;
      const unread = following ? replies.filter(({ seq, sender_id }) => seq > read && sender_id !== userId).length : 0;
      return {
        thread: root,
        root: conversation.log[root - 1],
        replies: replies.length,
        last_seq: replies.at(-1)?.seq,
        participants: [...new Set(replies.reverse().map(({ sender_id }) => sender_id))].slice(0, 10),
        ...{ following, read, unread },
      };
    });
    return { threads, next_before: roots.length === limit ? roots.at(-1) : undefined };
  }

  /** @param {string} userId @param {string} id @param {number} root @param {any} range */
  threadPage(userId, id, root, { before, after, limit = 50 }) {
    const conversation = this.world.readable(userId, id);
    const replies = conversation.log.filter((frame) => frame.new_message?.thread === root);
    const inRange = replies.filter(({ new_message: { seq } }) => (before ? seq < Number(before) : true) && (after ? seq > Number(after) : true));
    const chosen = after ? inRange.slice(0, Number(limit)) : inRange.slice(-Number(limit));
    const entries = chosen.map((frame) => this.seenBy(userId, frame));
    const states = statesOf(asEntries(conversation.log), asEntries(entries), conversation.log.length);
    return { entries, states, read: this.threadReads.get(`${userId} ${id}`)?.get(root) ?? 0 };
  }

  /** @param {string} userId @param {string} id @param {number} thread @param {number} seq @param {string} device */
  readThread(userId, id, thread, seq, device) {
    const key = `${userId} ${id}`;
    const reads = this.threadReads.get(key) ?? new Map();
    this.threadReads.set(key, reads);
    reads.set(thread, Math.max(reads.get(thread) ?? 0, seq));
    this.#tell(userId, "thread_read", { conversation_id: id, thread, seq }, device);
  }

  /** @param {string} userId @param {string} id @param {number} thread @param {boolean} on @param {string} device */
  followThread(userId, id, thread, on, device) {
    const key = `${userId} ${id}`;
    const since = this.world.readable(userId, id).log.length;
    if (thread < 1 || thread > since) throw new Refusal(404, "not_found", "No such message.");
    this.threadFollows.set(key, (this.threadFollows.get(key) ?? new Map()).set(thread, { on, since }));
    this.#tell(userId, "thread_followed", { conversation_id: id, thread, on }, device);
  }
}
