// Drafts that follow a user to all devices. The last writer wins, by the server's stamp.
import { SwitchboardError } from "./errors.js";

const SAVE_DELAY_MS = 800;
const RETRY_DELAY_MS = 5_000;
/** A list that was asked for before a save may come after it. */
const LIST_AGE_MS = 15_000;

/** @typedef {import("./types_own.js").Draft} Draft */
/** @typedef {{ text: string, reply_to?: number }} Written */

/**
 * @typedef {object} Kept one conversation's draft
 * @property {Written | null} wanted what was written here and is not saved yet
 * @property {Draft} known what the server has, as far as was told
 * @property {boolean} saving
 * @property {boolean} refused the server does not take it
 * @property {number} writtenAt by this clock
 * @property {any} timer
 */

/** Saves what is written soon after the last key, and says what other devices wrote. */
export class Drafts {
  #clock;
  #save;
  #onChange;
  #connected = false;
  /** @type {Map<string, Kept>} */
  #kept = new Map();

  /**
   * @param {object} parts
   * @param {import("./types.js").Clock} parts.clock
   * @param {(conversationId: string, draft: Written) => Promise<Draft>} parts.save
   * @param {(conversationId: string, draft: Draft) => void} parts.onChange another device wrote this
   */
  constructor({ clock, save, onChange }) {
    this.#clock = clock;
    this.#save = save;
    this.#onChange = onChange;
  }

  /** @param {string} conversationId @param {Written} draft */
  write(conversationId, { text, reply_to }) {
    const kept = this.#of(conversationId);
    if (kept.wanted === null && same(kept.known, { text, reply_to })) return;
    kept.wanted = { text, reply_to };
    kept.refused = false;
    kept.writtenAt = this.#clock.now();
    this.#schedule(conversationId, kept, SAVE_DELAY_MS);
  }

  /**
   * The message was sent, with `clear_draft`: what is under way must not bring it back.
   * @param {string} conversationId
   */
  sent(conversationId) {
    const kept = this.#of(conversationId);
    this.#clock.clearTimeout(kept.timer);
    kept.wanted = kept.saving ? { text: "" } : null;
    kept.refused = false;
    kept.writtenAt = this.#clock.now();
    kept.known = { text: "", updated_at: kept.known.updated_at };
  }

  /** The server says so: by `draft_changed`, or in the chat list. @param {string} conversationId @param {Draft | null} told null: the list has none */
  note(conversationId, told) {
    const kept = this.#of(conversationId);
    if (told === null && this.#clock.now() - kept.writtenAt < LIST_AGE_MS) return;
    const draft = told ?? { text: "", updated_at: kept.known.updated_at };
    if (draft.updated_at < kept.known.updated_at) return;
    const isNews = !same(kept.known, draft);
    kept.known = draft;
    // What is written here is later still: it will be saved over this.
    if (isNews && kept.wanted === null && !kept.saving) this.#onChange(conversationId, draft);
  }

  /** @param {string} conversationId whether something written here is not saved yet */
  isUnsaved(conversationId) {
    const kept = this.#kept.get(conversationId);
    return kept !== undefined && (kept.wanted !== null || kept.saving || kept.refused);
  }

  connected() {
    this.#connected = true;
    for (const [id, kept] of this.#kept) if (kept.wanted !== null) this.#schedule(id, kept, 0);
  }

  connectionLost() {
    this.#connected = false;
  }

  /** Writes at once what waits, as before the page goes. */
  flush() {
    for (const [id, kept] of this.#kept) if (kept.wanted !== null) void this.#run(id, kept);
  }

  /** @param {string} id */
  #of(id) {
    let kept = this.#kept.get(id);
    if (kept === undefined) {
      kept = { wanted: null, known: { text: "", updated_at: 0 }, saving: false, refused: false, writtenAt: -Infinity, timer: undefined };
      this.#kept.set(id, kept);
    }
    return kept;
  }

  /** @param {string} id @param {Kept} kept @param {number} delayMs */
  #schedule(id, kept, delayMs) {
    this.#clock.clearTimeout(kept.timer);
    kept.timer = this.#clock.setTimeout(() => void this.#run(id, kept), delayMs);
  }

  /** @param {string} id @param {Kept} kept */
  async #run(id, kept) {
    const { wanted } = kept;
    if (wanted === null || kept.saving || !this.#connected) return;
    kept.saving = true;
    kept.wanted = null;
    let delayMs = SAVE_DELAY_MS;
    try {
      const saved = await this.#save(id, wanted);
      if (saved.updated_at >= kept.known.updated_at) kept.known = saved;
    } catch (error) {
      if (error instanceof SwitchboardError && error.temporary) {
        kept.wanted ??= wanted;
        delayMs = Math.max(RETRY_DELAY_MS, error.retryAfterMs ?? 0);
      } else {
        kept.refused = true;
      }
    } finally {
      kept.saving = false;
    }
    if (kept.wanted !== null) this.#schedule(id, kept, delayMs);
  }
}

/** @param {Written} one @param {Written} other */
const same = (one, other) => one.text === other.text && (one.reply_to ?? null) === (other.reply_to ?? null);
