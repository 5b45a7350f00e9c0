// What a person can do here, as functions of the client and the state.
import { isTemporary } from "/sdk/src/index.js";

/** @typedef {import("/sdk/src/index.js").SwitchboardClient} SwitchboardClient */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./chat.js").Chat} Chat */

export const PAGE_SIZE = 50;

export class Actions {
  /**
   * @param {SwitchboardClient} client
   * @param {State} state
   * @param {import("./sync.js").Sync} sync
   * @param {(text: string) => void} toast
   */
  constructor(client, state, sync, toast) {
    this.client = client;
    this.state = state;
    this.sync = sync;
    this.toast = toast;
  }

  /** @param {string | null} id */
  open(id) {
    this.state.openId = id !== null && this.state.chats.has(id) ? id : null;
    const chat = this.state.open;
    if (chat !== null) {
      chat.unreadAfter = chat.unread > 0 ? chat.read : null;
      if (chat.kind !== "direct" && chat.members === null) void this.sync.refresh(chat.id);
      if (chat.log.length < PAGE_SIZE && !chat.complete) void this.loadOlder(chat);
    }
    this.state.changed("open", "log", "chats");
  }

  /** @param {Chat} chat @returns {Promise<boolean>} whether a page came */
  async loadOlder(chat) {
    if (chat.loading || chat.complete) return false;
    chat.loading = true;
    chat.loadFailed = false;
    this.state.changed("log");
    try {
      const range = { before: chat.log[0]?.seq, limit: PAGE_SIZE };
      const page = await this.#history(chat.id, range);
      chat.prepend(page.entries, page.entries.length < PAGE_SIZE || page.entries[0].seq === 1);
      this.sync.learnSenders(page.entries);
      return page.entries.length > 0;
    } catch {
      chat.loadFailed = true;
      return false;
    } finally {
      chat.loading = false;
      this.state.changed("log", "chats");
    }
  }

  /** @param {string} id @param {{ before?: number, limit: number }} range */
  async #history(id, range) {
    try {
      return await this.client.history(id, range);
    } catch (error) {
      // Without a socket the same page comes over REST.
      if (isTemporary(error)) return this.client.api.messages(id, range);
      throw error;
    }
  }

  /** @param {Chat} chat @param {string} text */
  send(chat, text) {
    const options = chat.replyTo === null ? {} : { reply_to: chat.replyTo };
    chat.replyTo = null;
    chat.unreadAfter = null;
    try {
      this.client.send(chat.id, text, options);
    } catch (error) {
      this.toast(/** @type {Error} */ (error).message);
      return false;
    }
    chat.activityMs = Date.now();
    this.state.changed("open", "chats");
    return true;
  }

  /** @param {Chat} chat @param {string} messageId */
  retry(chat, messageId) {
    const outgoing = chat.outgoing.get(messageId);
    if (outgoing?.state === "failed") void this.client.retry(messageId).catch(() => {});
  }

  /** @param {Chat} chat @param {string} messageId */
  discard(chat, messageId) {
    this.client.discard(messageId);
    chat.outgoing.delete(messageId);
    this.state.changed("log", "chats");
  }

  /** @param {Chat} chat @param {number | null} seq */
  reply(chat, seq) {
    chat.replyTo = seq;
    this.state.changed("open");
  }

  /** @param {Chat} chat */
  markRead(chat) {
    const changed = chat.markRead(chat.head);
    this.client.markRead(chat.id, chat.head);
    if (changed) this.state.changed("chats");
  }

  /** @param {string} username @returns {Promise<import("/sdk/src/index.js").UserView>} */
  async findUser(username) {
    const name = username.trim().replace(/^@/u, "");
    const user = name === "" ? null : await this.client.api.findUser(name);
    if (user === null) throw new Error(`There is no user called “${name}”.`);
    if (user.user_id === this.state.me?.user_id) throw new Error("That is you.");
    return user;
  }

  /**
   * @param {"direct" | "group" | "channel"} kind
   * @param {string[]} members
   * @param {string} [name]
   * @returns {Promise<string>} its id
   */
  async create(kind, members, name) {
    const view = await this.client.api.createConversation(kind, members, name);
    const chat = this.sync.describe(view);
    chat.head = Math.max(chat.head, view.head);
    this.client.startAt(chat.id, view.head, view.gen);
    return chat.id;
  }

  /** @param {Chat} chat @param {string} username */
  async addMember(chat, username) {
    const user = await this.findUser(username);
    await this.client.api.addMembers(chat.id, [{ user_id: user.user_id, role: "member" }]);
    await this.sync.refresh(chat.id);
  }

  /** @param {Chat} chat @param {string} name */
  async rename(chat, name) {
    await this.client.api.renameConversation(chat.id, name);
    chat.name = name;
    this.state.changed("chats", "open");
  }

  /** @param {Chat} chat */
  async leave(chat) {
    await this.client.api.removeMembers(chat.id, [/** @type {string} */ (this.state.me?.user_id)]);
    this.removed(chat.id);
  }

  /** This user is no member any more. @param {string} id */
  removed(id) {
    const chat = this.state.chats.get(id);
    if (chat === undefined) return;
    this.client.forget(id);
    this.state.chats.delete(id);
    if (this.state.openId === id) location.hash = "";
    this.toast(`You are no longer in ${chat.title}.`);
    this.state.changed("chats", "open", "log");
  }
}
