// What a person can do to a message that is there.
import { mentionsIn } from "./mentions.js";

/** @typedef {import("./chat.js").Chat} Chat */

/** Questions about one chat's receipts while a connection lasts. */
const PROBES_MAX = 30;

export class MessageActions {
  #actions;
  /** @type {Set<string>} chats whose receipts are being asked for */
  #probing = new Set();
  /** @type {Map<string, number>} chat → questions asked */
  #probes = new Map();

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

  /**
   * Begins or ends writing a message anew.
   * @param {Chat} chat @param {number | null} seq
   */
  startEdit(chat, seq) {
    chat.editing = seq;
    chat.replyTo = null;
    this.#state.changed("open");
  }

  /** @param {Chat} chat @returns {number | undefined} one's newest message that can still be edited */
  lastEditable(chat) {
    for (let index = chat.log.length - 1; index >= Math.max(0, chat.log.length - 100); index -= 1) {
      const entry = chat.log[index];
      const content = chat.contentOf(entry);
      if (entry.thread != null && chat.threads.isKnown) continue;
      if (entry.kind === "new_message" && entry.sender_id === chat.myId && content && "text" in content) return entry.seq;
    }
    return undefined;
  }

  /** @param {Chat} chat @param {number} seq @param {string} text */
  edit(chat, seq, text) {
    chat.editing = null;
    const before = chat.contentOf(chat.known(seq));
    const same = before !== undefined && "text" in before && before.text.text === text;
    const { mentions } = mentionsIn(text, chat.members ?? []);
    if (!same) this.#try(() => this.#client.edit(chat.id, seq, text, mentions && { mentions }));
    this.#state.changed("open", "log");
  }

  /** @param {Chat} chat @param {number} seq */
  remove(chat, seq) {
    this.#try(() => this.#client.deleteMessage(chat.id, seq));
  }

  /** Puts one's emoji under a message, or takes it back. @param {Chat} chat @param {number} seq @param {string} emoji */
  toggleReaction(chat, seq, emoji) {
    const reaction = chat.states.of(seq)?.reactions?.find((one) => one.emoji === emoji);
    const on = reaction?.user_ids.includes(chat.myId) !== true;
    this.#try(() => this.#client.react(chat.id, seq, emoji, on));
  }

  /** @param {Chat} chat @param {number} seq @param {boolean} on */
  pin(chat, seq, on) {
    this.#try(() => this.#client.pin(chat.id, seq, on));
  }

  /** @param {Chat} chat @param {number} seq */
  async copy(chat, seq) {
    const content = chat.contentOf(chat.known(seq));
    if (content === undefined || !("text" in content)) return;
    try {
      await navigator.clipboard.writeText(content.text.text);
      this.#actions.toast("Copied.");
    } catch {
      this.#actions.toast("This browser does not allow copying here.");
    }
  }

  /** Looks a single message up that is not held. @param {Chat} chat @param {number} seq */
  async peek(chat, seq) {
    if (chat.known(seq) !== undefined || chat.peeked.has(seq)) return;
    chat.peeked.set(seq, null);
    try {
      const page = await this.#actions.history(chat.id, { before: seq + 1, limit: 1 });
      const [entry] = page.entries;
      if (entry?.seq !== seq) return;
      chat.states.notePage(page);
      chat.peeked.set(seq, entry);
      this.#actions.sync.learnSenders([entry]);
      this.#state.changed("log", "open");
    } catch {
      // It stays without its text; the next connection may ask again.
      chat.peeked.delete(seq);
    }
  }

  /** What was missed meanwhile may be asked for again. @param {Chat | null} open */
  connected(open) {
    this.#probes.clear();
    if (open !== null) void this.probeReceipts(open);
  }

  /**
   * Finds up to where everybody has received and read one's messages. Positions come by
   * themselves while connected; this is for what happened before.
   * @param {Chat} chat
   */
  async probeReceipts(chat) {
    const own = chat.log.filter(({ kind, sender_id }) => kind === "new_message" && sender_id === chat.myId);
    const seqs = own.map(({ seq }) => seq).filter((seq) => seq > chat.reached.read);
    if (seqs.length === 0 || this.#probing.has(chat.id)) return;
    this.#probing.add(chat.id);
    try {
      await this.#search(chat, seqs, "delivered");
      await this.#search(chat, seqs, "read");
    } catch {
      // The marks stay as they are.
    } finally {
      this.#probing.delete(chat.id);
    }
  }

  /** The largest number that all have reached: whoever has one message has those before it. @param {Chat} chat @param {number[]} seqs ascending @param {"delivered" | "read"} what */
  async #search(chat, seqs, what) {
    let low = 0;
    let high = seqs.length;
    let probe = high - 1;
    while (low < high && (this.#probes.get(chat.id) ?? 0) < PROBES_MAX) {
      const isReached = seqs[probe] <= chat.reached[what] || (await this.#ask(chat, seqs[probe]))[what];
      if (isReached) low = probe + 1;
      else high = probe;
      probe = (low + high) >> 1;
    }
  }

  /** @param {Chat} chat @param {number} seq */
  async #ask(chat, seq) {
    this.#probes.set(chat.id, (this.#probes.get(chat.id) ?? 0) + 1);
    const { total, delivered, read } = await this.#client.receipts(chat.id, seq);
    const all = { delivered: total > 0 && delivered === total, read: total > 0 && read === total };
    const reached = { delivered: all.delivered ? seq : 0, read: all.read ? seq : 0 };
    if (chat.noteReached(reached)) this.#state.changed("log", "chats");
    return all;
  }

  /** A change is shown at once; a refusal takes it back and says why. @param {() => Promise<unknown>} change */
  #try(change) {
    try {
      change().catch((error) => this.#actions.toast(/** @type {Error} */ (error).message));
    } catch (error) {
      this.#actions.toast(/** @type {Error} */ (error).message);
    }
  }
}
