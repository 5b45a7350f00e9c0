// Threads: which there are, reading one, answering in it.
import { OpenThread } from "./threads.js";

/** @typedef {import("./chat.js").Chat} Chat */

/** What the server gives at most. */
const LIST_SIZE = 50;
const PAGE_SIZE = 50;

export class ThreadActions {
  #actions;
  /** @type {Set<string>} chats whose threads are being asked for */
  #asking = new Set();

  /** @param {import("./actions.js").Actions} actions */
  constructor(actions) {
    this.#actions = actions;
  }

  get #client() {
    return this.#actions.client;
  }

  get #state() {
    return this.#actions.state;
  }

  /** Asks for the threads that start at `from` or later. @param {Chat} chat @param {number} from @param {boolean} [again] */
  async learn(chat, from, again = false) {
    if (this.#asking.has(chat.id)) return;
    this.#asking.add(chat.id);
    try {
      if (again || !chat.threads.isKnown) chat.threads.notePage(await this.#client.api.threads(chat.id, { limit: LIST_SIZE }));
      while (chat.threads.knownFrom > Math.max(1, from)) {
        const before = chat.threads.knownFrom;
        chat.threads.notePage(await this.#client.api.threads(chat.id, { before, limit: LIST_SIZE }), before);
        if (chat.threads.knownFrom >= before) break;
      }
      this.#state.changed("log", "open");
    } catch {
      // Without them, replies stand among the other messages.
    } finally {
      this.#asking.delete(chat.id);
    }
  }

  /** One thread from long ago. @param {Chat} chat @param {number} root */
  async learnOne(chat, root) {
    try {
      const { threads } = await this.#client.api.threads(chat.id, { before: root + 1, limit: 1 });
      chat.threads.notePage({ threads: threads.filter(({ thread }) => thread === root) }, root + 1);
      this.#state.changed("log", "open");
    } catch {
      // The next page of the list has it.
    }
  }

  /** Opens a thread beside the conversation. @param {Chat} chat @param {number} root */
  open(chat, root) {
    if (chat.openThread?.root === root) return;
    const thread = new OpenThread(root);
    const known = chat.threads.get(root);
    if (known !== undefined && known.unread > 0) thread.unreadAfter = known.read;
    thread.add(chat.log.filter((entry) => entry.thread === root));
    chat.openThread = thread;
    void this.#actions.messages.peek(chat, root);
    void this.older(chat, true);
    this.#state.changed("open", "log");
  }

  /** @param {Chat} chat */
  close(chat) {
    chat.openThread = null;
    this.#state.changed("open", "log");
  }

  /** @param {Chat} chat @param {boolean} [newest] */
  async older(chat, newest = false) {
    const thread = chat.openThread;
    if (thread === null || (thread.loading && !newest)) return;
    thread.loading = true;
    thread.failed = false;
    try {
      const before = newest ? undefined : thread.entries[0]?.seq;
      const { head } = chat;
      const page = await this.#client.api.threadMessages(chat.id, thread.root, { before, limit: PAGE_SIZE });
      thread.add(page.entries);
      thread.complete ||= page.entries.length < PAGE_SIZE;
      chat.states.notePage({ ...page, head });
      for (const entry of page.entries) if (chat.find(entry.seq) === undefined) chat.peeked.set(entry.seq, entry);
      chat.threads.noteRead(thread.root, page.read);
      this.#actions.sync.learnSenders(page.entries);
    } catch {
      thread.failed = true;
    } finally {
      thread.loading = false;
      this.#state.changed("log", "open");
    }
  }

  /** All that is there of the open thread was seen. @param {Chat} chat */
  markRead(chat) {
    const thread = chat.openThread;
    const last = thread?.entries.at(-1);
    if (thread == null || last === undefined || thread.loading) return;
    if (!chat.threads.noteRead(thread.root, last.seq)) return;
    this.#client.api.readThread(chat.id, thread.root, last.seq).catch(() => {});
    this.#state.changed("log", "open");
  }
}
