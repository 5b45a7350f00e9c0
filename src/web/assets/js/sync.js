// From the SDK's events to the page's state.
import { uuidTimeMs } from "/sdk/src/index.js";

/** @typedef {import("/sdk/src/index.js").SwitchboardClient} SwitchboardClient */
/** @typedef {import("/sdk/src/index.js").Entry} Entry */
/** @typedef {import("/sdk/src/index.js").ChatListItem} ChatListItem */
/** @typedef {import("/sdk/src/index.js").ConversationView} ConversationView */
/** @typedef {import("./state.js").State} State */

const LIST_PAGES_MAX = 50;
/** Of the list, after each reconnect: drafts are in chats of late. */
const REREAD_PAGES_MAX = 4;

export class Sync {
  /** @type {Map<string, Promise<void>>} */
  #describing = new Map();
  /** @type {Set<string>} */
  #asked = new Set();

  /**
   * @param {SwitchboardClient} client
   * @param {State} state
   * @param {{ onIncoming: (entry: Entry) => void, onRemoved: (chatId: string) => void,
   *   onReload: (chatId: string) => void, onConnected: () => void, onThread: (chatId: string, thread: number) => void,
   *   onDraft: (chatId: string, draft: import("/sdk/src/index.js").Draft | null) => void, onSignedOut: () => void }} handlers
   */
  constructor(client, state, handlers) {
    this.client = client;
    this.state = state;
    this.handlers = handlers;
    /** @param {string} type @param {(detail: any) => void} handle */
    const on = (type, handle) =>
      client.addEventListener(type, (event) => handle(/** @type {CustomEvent} */ (event).detail));
    on("state", (connection) => this.#connectionChanged(connection));
    on("welcome", (welcome) => this.#welcomed(welcome));
    on("entry", (entry) => this.#entry(entry));
    on("message_state", (change) => this.#messageState(change));
    on("created", ({ conversation_id }) => void this.refresh(conversation_id));
    on("resync", (resync) => this.#resync(resync));
    on("change_state", (change) => this.#changeState(change));
    on("status", (status) => this.#status(status));
    on("conversations", ({ conversations }) => {
      for (const { conversation_id, muted_until, archived, pinned } of conversations) {
        this.state.chat(conversation_id).hold({ muted_until: muted_until ?? null, archived: archived ?? false, pinned: pinned ?? false });
      }
    });
  }

  /** Reads who one is and the chat list, and names to the SDK what is already known. */
  async start() {
    const userId = /** @type {string} */ (this.client.session?.user_id);
    const [me] = await Promise.all([this.client.api.me(), this.#readList(userId)]);
    this.state.me = me;
    this.state.learn([me]);
    this.state.listed = true;
    this.state.changed("me", "chats", "open");
  }

  /** @param {string} userId */
  async #readList(userId) {
    /** @type {string | undefined} */
    let cursor;
    for (let page = 0; page < LIST_PAGES_MAX; page += 1) {
      const list = await this.client.api.conversations(userId, cursor);
      for (const item of list.conversations) this.#listItem(item);
      cursor = list.next_cursor;
      if (!cursor) break;
    }
  }

  /** What other devices did to drafts and chats while this one was away. */
  async reread() {
    /** @type {string | undefined} */
    let cursor;
    for (let page = 0; page < REREAD_PAGES_MAX; page += 1) {
      const list = await this.client.api.conversations(this.state.myId, cursor);
      for (const item of list.conversations) if (this.state.chats.has(item.conversation_id)) this.#noteOwn(item);
      cursor = list.next_cursor;
      if (!cursor) break;
    }
    this.state.changed("chats");
  }

  /** @param {ChatListItem} item */
  #noteOwn(item) {
    const chat = this.state.chat(item.conversation_id);
    chat.hold({ muted_until: item.muted_until ?? null, archived: item.archived ?? false, pinned: item.pinned ?? false });
    this.handlers.onDraft(chat.id, item.draft ?? null);
    return chat;
  }

  /** @param {ChatListItem} item */
  #listItem(item) {
    const chat = this.#noteOwn(item);
    Object.assign(chat, { kind: item.kind, name: item.name, peer: item.peer, role: item.role, described: true });
    chat.photo = item.photo ?? chat.photo;
    if (item.peer) this.state.learn([item.peer]);
    chat.head = Math.max(chat.head, item.head);
    chat.read = Math.max(chat.read, item.read);
    chat.tellUnread(item.unread, item.mentions ?? 0);
    if (item.last && (chat.last === undefined || chat.last.seq < item.last.seq)) chat.last = item.last;
    chat.activityMs = Math.max(chat.activityMs, item.last?.sent_at ?? uuidTimeMs(chat.id) ?? 0);
    if (item.last) this.learnSenders([item.last]);
    this.client.startAt(chat.id, item.head, item.gen);
  }

  /** @param {ConversationView} view */
  describe(view) {
    const chat = this.state.chat(view.conversation_id);
    const me = this.client.session?.user_id;
    this.state.learn(view.members);
    chat.kind = view.kind;
    chat.apply({ description: null, photo: null, disappear_after_ms: null, retention_days: null, ...view });
    chat.members = view.members;
    chat.peer = view.kind === "direct" ? view.members.find(({ user_id }) => user_id !== me) : undefined;
    chat.role = view.members.find(({ user_id }) => user_id === me)?.role ?? "member";
    chat.described = true;
    chat.activityMs = Math.max(chat.activityMs, view.created_at);
    this.state.changed("chats", "open", "log");
    return chat;
  }

  /** Reads a conversation's name and members, once at a time. @param {string} id */
  refresh(id) {
    const running = this.#describing.get(id);
    if (running !== undefined) return running;
    const reading = this.client.api
      .conversation(id)
      .then((view) => void this.describe(view))
      .catch(() => {})
      .finally(() => this.#describing.delete(id));
    this.#describing.set(id, reading);
    return reading;
  }

  /** Reads the names of people who are members no more. @param {Entry[]} entries */
  learnSenders(entries) {
    this.learnUsers(entries.flatMap((entry) => [
      entry.sender_id,
      ...(entry.added ?? []).map(({ user_id }) => user_id),
      ...(entry.removed ?? []),
      ...(entry.unbanned ?? []),
    ]));
  }

  /** @param {string[]} ids */
  learnUsers(ids) {
    for (const id of new Set(ids)) {
      if (this.state.users.has(id) || this.#asked.has(id)) continue;
      this.#asked.add(id);
      this.client.api.user(id).then(
        (user) => {
          this.state.learn([user]);
          this.state.changed("chats", "open", "log");
        },
        () => this.#asked.delete(id),
      );
    }
  }

  /** @param {import("/sdk/src/index.js").ConnectionState} connection */
  #connectionChanged(connection) {
    this.state.connection = connection;
    const revoked = connection.code === 4502 || connection.code === 4501;
    if (connection.reason === "signed_out" || revoked) this.handlers.onSignedOut();
    this.state.changed("connection");
  }

  /** When this connection was greeted, by the server's clock. */
  #onlineSince = 0;

  /** @param {any} welcome */
  #welcomed(welcome) {
    this.#onlineSince = welcome.server_time;
    if (this.state.everConnected) this.reread().catch(() => {});
    this.state.everConnected = true;
    for (const { conversation_id, head, read } of welcome.conversations) {
      const chat = this.state.chat(conversation_id);
      chat.markRead(Math.min(read, head));
      if (!chat.described) void this.refresh(conversation_id);
    }
    for (const chat of this.state.chats.values()) {
      if (chat.loadFailed) this.handlers.onReload(chat.id);
    }
    this.handlers.onConnected();
    this.state.changed("connection", "chats");
  }

  /** @param {Entry} entry */
  #entry(entry) {
    const me = /** @type {string} */ (this.client.session?.user_id);
    const chat = this.state.chat(entry.conversation_id);
    chat.accept(entry, entry.sent_at >= this.#onlineSince);
    if (entry.kind === "conversation_changed") chat.apply(/** @type {any} */ (entry));
    if (entry.thread != null) this.#reply(chat, entry);
    if (entry.removed?.includes(me)) {
      this.handlers.onRemoved(chat.id);
      return;
    }
    if (!chat.described || entry.kind === "members_changed") void this.refresh(chat.id);
    this.learnSenders([entry]);
    if (entry.sender_id !== me) this.handlers.onIncoming(entry);
    this.state.changed("chats", "log", "open");
  }

  /** @param {import("./chat.js").Chat} chat @param {Entry} entry */
  #reply(chat, entry) {
    const thread = /** @type {number} */ (entry.thread);
    if (chat.openThread?.root === thread) chat.openThread.add([entry]);
    if (!chat.threads.noteReply(entry, this.state.myId, chat.known(thread))) this.handlers.onThread(chat.id, thread);
  }

  /** @param {{ item: any, state: "pending" | "sent" | "failed", seq?: number, sent_at?: number }} change */
  #messageState({ item, state, seq, sent_at }) {
    const chat = this.state.chat(item.conversation_id);
    if (state === "sent" && seq !== undefined && chat.find(seq)) chat.outgoing.delete(item.message_id);
    else chat.outgoing.set(item.message_id, { item, state, seq, sent_at });
    this.state.changed("log", "chats");
  }

  /** One's own change of a message is shown before it has its number. @param {{ item: any, state: "pending" | "sent" | "failed", seq?: number, sent_at?: number }} change */
  #changeState({ item, state, seq, sent_at }) {
    const { states } = this.state.chat(item.conversation_id);
    if (state === "pending") states.pend(item, this.state.myId);
    else if (state === "failed") states.settle(item.message_id);
    else states.accept(item.message_id, { seq: seq ?? 0, sent_at: sent_at ?? item.created_at });
    this.state.changed("log", "open", "chats");
  }

  /** How far somebody is: oneself on another device, or another. @param {{ conversation_id: string, user_id: string, read: number }} status */
  #status({ conversation_id, user_id, read }) {
    const chat = this.state.chats.get(conversation_id);
    if (chat === undefined) return;
    if (user_id === this.state.myId) {
      chat.markRead(Math.min(read, chat.head));
    } else {
      const others = chat.kind === "direct"
        ? [user_id]
        : (chat.members ?? []).map((member) => member.user_id).filter((id) => id !== this.state.myId);
      chat.noteReached(this.client.reachedByAll(chat.id, others));
    }
    this.state.changed("log", "chats");
  }

  /** @param {{ conversation_id: string, head: number }} resync */
  #resync({ conversation_id, head }) {
    this.state.chat(conversation_id).forgetLog(head);
    this.handlers.onReload(conversation_id);
    this.state.changed("log", "chats");
  }
}
