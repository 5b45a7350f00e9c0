// What is being written, kept in this browser and on the user's other devices.

/** How long a draft may take to be saved before the mark of an unsaved one is looked at again. */
const CHECK_MS = 2_500;

/** @typedef {import("./chat.js").Chat} Chat */

export class Drafts {
  #client;
  #state;
  #kept;
  #signal;
  /** Told when another device wrote something. @type {(chatId: string) => void} */
  onRemote = () => {};

  /**
   * @param {import("/sdk/src/index.js").SwitchboardClient} client
   * @param {import("./state.js").State} state
   * @param {ReturnType<typeof import("./storage.js").draftsOf>} kept
   * @param {AbortSignal} signal
   */
  constructor(client, state, kept, signal) {
    this.#client = client;
    this.#state = state;
    this.#kept = kept;
    this.#signal = signal;
    client.addEventListener("draft", (event) => this.#remote(/** @type {CustomEvent} */ (event).detail), { signal });
  }

  /** @param {string} chatId */
  get(chatId) {
    return this.#kept.get(chatId);
  }

  /** Something was typed. @param {Chat} chat @param {string} text */
  set(chat, text) {
    this.#kept.set(chat.id, text);
    this.#kept.markUnsaved(chat.id, true);
    this.#client.writeDraft(chat.id, { text, reply_to: chat.replyTo ?? undefined });
    this.#check(chat.id);
  }

  /** By the chat list; none any more is news, too: it was sent elsewhere. @param {string} chatId @param {import("/sdk/src/index.js").Draft | null} draft */
  listed(chatId, draft) {
    if (this.#kept.isUnsaved(chatId)) return;
    this.#client.noteDraft(chatId, draft);
    const text = draft?.text ?? "";
    // What an earlier visit left behind.
    if (!this.#state.listed && text !== this.get(chatId)) this.#kept.set(chatId, text);
    if (!this.#state.listed && draft?.reply_to != null) this.#state.chat(chatId).replyTo = draft.reply_to;
  }

  /** It was sent, and the server takes the draft away with it. @param {Chat} chat */
  sent(chat) {
    this.#kept.set(chat.id, "");
    this.#kept.markUnsaved(chat.id, false);
  }

  /** What an earlier visit could not save goes first. */
  resume() {
    for (const chat of this.#state.chats.values()) {
      if (!this.#kept.isUnsaved(chat.id)) continue;
      this.#client.writeDraft(chat.id, { text: this.get(chat.id) });
      this.#check(chat.id);
    }
  }

  /** @param {string} chatId */
  #check(chatId) {
    setTimeout(() => {
      if (this.#signal.aborted) return;
      if (this.#client.hasUnsavedDraft(chatId)) this.#check(chatId);
      else this.#kept.markUnsaved(chatId, false);
    }, CHECK_MS);
  }

  /** @param {{ conversation_id: string, text: string, reply_to?: number | null }} draft */
  #remote({ conversation_id: id, text, reply_to }) {
    // The SDK tells only of what is later than anything written here.
    this.#kept.markUnsaved(id, false);
    this.#kept.set(id, text);
    this.#state.chat(id).replyTo = reply_to ?? null;
    this.onRemote(id);
    this.#state.changed("chats", "open");
  }
}
