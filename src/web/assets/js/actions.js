// What a person can do here, as functions of the client and the state.
import { isTemporary } from "/sdk/src/index.js";
import { mentionsIn } from "./mentions.js";
import { MessageActions } from "./message_actions.js";
import { ThreadActions } from "./thread_actions.js";

/** @typedef {import("/sdk/src/index.js").SwitchboardClient} SwitchboardClient */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./chat.js").Chat} Chat */

export const PAGE_SIZE = 50;
/** Pages on the way to a message from long ago. */
const LONG_PAGE_SIZE = 200;
const LONG_PAGES_MAX = 100;

export class Actions {
  /**
   * @param {SwitchboardClient} client
   * @param {State} state
   * @param {import("./sync.js").Sync} sync
   * @param {import("./own.js").Own} own
   * @param {(text: string) => void} toast
   */
  constructor(client, state, sync, own, toast) {
    this.client = client;
    this.state = state;
    this.sync = sync;
    this.toast = toast;
    /** What can be done to messages that are there. */
    this.messages = new MessageActions(this);
    this.threads = new ThreadActions(this);
    /** What is this user's own. */
    this.own = own;
  }

  /** @param {string | null} id */
  open(id) {
    this.state.openId = id !== null && this.state.chats.has(id) ? id : null;
    const chat = this.state.open;
    if (chat !== null) {
      chat.unreadAfter = chat.unread > 0 ? chat.read : null;
      if (chat.kind !== "direct" && chat.members === null) void this.sync.refresh(chat.id);
      if (!chat.threads.isKnown) void this.threads.learn(chat, chat.heldFrom === Infinity ? chat.head : chat.heldFrom);
      if (chat.log.length < PAGE_SIZE && !chat.complete) void this.loadOlder(chat);
      else void this.messages.probeReceipts(chat);
      if (chat.log.length > 0) void this.own.catchUp(chat);
    }
    this.state.changed("open", "log", "chats");
  }

  /** Shows one message, in whatever chat it is. @param {string} id @param {number} seq */
  visit(id, seq) {
    const chat = this.state.chats.get(id);
    if (chat === undefined) return;
    chat.goTo = seq;
    location.hash = id;
    this.state.changed("open", "log");
  }

  /** The first message of a time or later. @param {Chat} chat @param {number} at @returns {Promise<number | undefined>} */
  async seqAt(chat, at) {
    const page = await this.history(chat.id, { at, limit: LONG_PAGE_SIZE });
    return page.entries.find(({ kind, sent_at }) => kind === "new_message" && sent_at >= at)?.seq;
  }

  /** Fetches pages until a message is held. @param {Chat} chat @param {number} seq */
  async reach(chat, seq) {
    for (let page = 0; chat.heldFrom > seq && !chat.complete && page < LONG_PAGES_MAX; page += 1) {
      if (chat.loading) await new Promise((resolve) => setTimeout(resolve, 50));
      else if (!(await this.loadOlder(chat, LONG_PAGE_SIZE))) break;
    }
    return chat.find(seq);
  }

  /** @param {Chat} chat @param {number} [limit] @returns {Promise<boolean>} whether a page came */
  async loadOlder(chat, limit = PAGE_SIZE) {
    if (chat.loading || chat.complete) return false;
    chat.loading = true;
    chat.loadFailed = false;
    this.state.changed("log");
    try {
      const isFirst = chat.heldFrom === Infinity;
      const range = { before: isFirst ? undefined : chat.heldFrom, limit };
      const page = await this.history(chat.id, range);
      chat.prepend(page, page.entries.length < limit || page.entries[0].seq === 1 || page.entries[0].seq <= page.purged_up_to + 1);
      this.sync.learnSenders(page.entries);
      if (chat.threads.isKnown) void this.threads.learn(chat, chat.heldFrom);
      if (chat.id === this.state.openId) void this.messages.probeReceipts(chat);
      return page.entries.length > 0;
    } catch {
      chat.loadFailed = true;
      return false;
    } finally {
      chat.loading = false;
      this.state.changed("log", "chats");
    }
  }

  /** @param {string} id @param {{ before?: number, at?: number, limit: number }} range */
  async history(id, range) {
    try {
      return await this.client.history(id, range);
    } catch (error) {
      // Without a socket the same page comes over REST.
      if (isTemporary(error)) return this.client.api.messages(id, range);
      throw error;
    }
  }

  /** @param {Chat} chat @param {string} text @param {number} [thread] the message whose thread it belongs to */
  send(chat, text, thread) {
    /** @type {import("/sdk/src/index.js").SendOptions} */
    const options = { ...mentionsIn(text, chat.members ?? []), expires_after_ms: chat.expiresAfterMs ?? chat.disappearAfterMs };
    if (thread === undefined) {
      options.reply_to = chat.replyTo ?? undefined;
      // Written in this chat's own place: the draft was this.
      options.clear_draft = true;
      chat.replyTo = null;
      chat.unreadAfter = null;
    } else {
      options.thread = thread;
    }
    return this.#send(chat, () => this.client.send(chat.id, text, options));
  }

  /** @param {Chat} chat where to @param {Chat} from @param {number} seq */
  forward(chat, from, seq) {
    const content = from.contentOf(from.known(seq));
    if (content === undefined) return;
    const message = { conversation_id: from.id, seq, content };
    this.#send(chat, () => this.client.forward(chat.id, message, { expires_after_ms: chat.disappearAfterMs }));
  }

  /** @param {Chat} chat @param {() => Promise<unknown>} send */
  #send(chat, send) {
    try {
      void send().catch(() => {});
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
    chat.editing = null;
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

  /** @param {Chat} chat @param {string} userId */
  async removeMember(chat, userId) {
    await this.client.api.removeMembers(chat.id, [userId]);
    await this.sync.refresh(chat.id);
  }

  /** @param {Chat} chat @param {string} userId @param {import("./chat.js").MemberView["role"]} role */
  async changeRole(chat, userId, role) {
    await this.client.api.changeRole(chat.id, userId, role);
    await this.sync.refresh(chat.id);
  }

  /** @param {Chat} chat @param {import("/sdk/src/index.js").ConversationPatch} patch */
  async change(chat, patch) {
    await this.client.api.changeConversation(chat.id, patch);
    chat.apply(patch);
    this.state.changed("chats", "open");
  }

  /** @param {Chat} chat @param {string} userId @param {boolean} on */
  async ban(chat, userId, on) {
    if (on) await this.client.api.ban(chat.id, userId);
    else await this.client.api.unban(chat.id, userId);
    await this.sync.refresh(chat.id);
  }

  /** @param {string} token */
  async join(token) {
    const view = await this.client.api.joinByInvite(token);
    const chat = this.sync.describe(view);
    chat.head = Math.max(chat.head, view.head);
    this.client.startAt(chat.id, view.head, view.gen);
    location.hash = chat.id;
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
