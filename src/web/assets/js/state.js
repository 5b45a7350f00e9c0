// Everything the page shows, and who wants to know when it changes.
import { Chat } from "./chat.js";

/** @typedef {import("/sdk/src/index.js").UserView} UserView */
/** @typedef {import("/sdk/src/index.js").ConnectionState} ConnectionState */
/** What changed. `open` is the open chat itself or any of its facts.
 *  `people`: who writes, who is there. `own`: settings, blocks, what is scheduled.
 *  @typedef {"chats" | "open" | "log" | "connection" | "me" | "people" | "own"} Topic */

export class State {
  /** @type {UserView | null} */
  me = null;
  /** Whether this server can be searched. */
  searchable = false;
  /** @type {ConnectionState} */
  connection = { state: "connecting" };
  /** True after the first `welcome`: from then on a missing connection is worth a banner. */
  everConnected = false;
  /** True once the chat list was read. */
  listed = false;
  /** @type {Map<string, Chat>} */
  chats = new Map();
  /** @type {Map<string, UserView>} */
  users = new Map();
  /** @type {string | null} */
  openId = null;
  /** What this user set for all chats; null where the server does not offer it, as with the next two. @type {import("/sdk/src/index.js").Settings | null} */
  settings = null;
  /** Whom this user blocks. @type {Set<string> | null} */
  blocked = null;
  /** Messages to be sent later. @type {import("/sdk/src/index.js").Scheduled[] | null} */
  scheduled = null;
  /** What is behind links; null where the server does not say. @type {import("./previews.js").Previews | null} */
  previews = null;

  /** @type {Map<string, string[]>} chat → who writes there */
  typing = new Map();
  /** @type {Map<string, import("/sdk/src/index.js").Presence>} */
  presence = new Map();

  /** @type {Map<Topic, Set<() => void>>} */
  #listeners = new Map();
  /** @type {Set<Topic>} */
  #changed = new Set();

  /** @param {string} myId */
  constructor(myId) {
    this.myId = myId;
  }

  /** @returns {Chat | null} */
  get open() {
    return this.openId === null ? null : (this.chats.get(this.openId) ?? null);
  }

  /** @param {string} id */
  chat(id) {
    let chat = this.chats.get(id);
    if (chat === undefined) {
      chat = new Chat(id, this.myId);
      this.chats.set(id, chat);
    }
    return chat;
  }

  /** @returns {Chat[]} latest activity first */
  chatsByActivity() {
    return [...this.chats.values()].sort((a, b) => b.activityMs - a.activityMs || (a.id < b.id ? 1 : -1));
  }

  /** @param {boolean} archived @returns {Chat[]} pinned ones first, then by activity */
  chatsListed(archived) {
    const chats = this.chatsByActivity().filter((chat) => chat.archived === archived);
    return [...chats.filter(({ pinned }) => pinned), ...chats.filter(({ pinned }) => !pinned)];
  }

  /** What wants attention: of muted and archived chats only mentions do. */
  get unreadTotal() {
    let total = 0;
    for (const chat of this.chats.values()) total += chat.muted || chat.archived ? chat.mentions : chat.unread;
    return total;
  }

  /** @param {Chat} chat whether it is a direct one with somebody whom this user blocks */
  blocks({ kind, peer }) {
    return kind === "direct" && peer !== undefined && this.blocked?.has(peer.user_id) === true;
  }

  /** @param {string} userId */
  nameOf(userId) {
    return userId === this.myId ? "You" : (this.users.get(userId)?.display_name ?? "Someone");
  }

  /** Nothing is known of anybody without a connection. @param {string | undefined} userId */
  presenceOf(userId) {
    if (userId === undefined || this.connection.state !== "connected") return null;
    return this.presence.get(userId) ?? null;
  }

  /** @param {UserView[]} users */
  learn(users) {
    for (const user of users) this.users.set(user.user_id, user);
  }

  /** @param {Topic[]} topics @param {() => void} listener @returns {() => void} ends it */
  on(topics, listener) {
    for (const topic of topics) {
      const listeners = this.#listeners.get(topic) ?? new Set();
      this.#listeners.set(topic, listeners.add(listener));
    }
    return () => topics.forEach((topic) => this.#listeners.get(topic)?.delete(listener));
  }

  /** Several changes in one go are one rendering. @param {...Topic} topics */
  changed(...topics) {
    const idle = this.#changed.size === 0;
    for (const topic of topics) this.#changed.add(topic);
    if (!idle) return;
    const notify = () => this.#notify();
    // Hidden pages are given no frames, but still owe the title its count.
    if (document.hidden) setTimeout(notify, 50);
    else requestAnimationFrame(notify);
  }

  #notify() {
    const due = new Set();
    for (const topic of this.#changed) {
      for (const listener of this.#listeners.get(topic) ?? []) due.add(listener);
    }
    this.#changed.clear();
    for (const listener of due) listener();
  }
}
