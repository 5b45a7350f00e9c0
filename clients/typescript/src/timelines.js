import { GapRepair } from "./gap_repair.js";
import { ReorderBuffer } from "./reorder.js";

/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./types.js").Position} Position */

/**
 * The live end of every conversation: entries go in as they arrive and come out in order.
 */
export class Timelines {
  /** @type {Map<string, ReorderBuffer>} most recently active last */
  #buffers = new Map();
  /** @type {Map<string, number>} */
  #generations = new Map();
  #repair;
  #emit;
  #onHidden;

  /**
   * @param {object} parts
   * @param {import("./types.js").Clock} parts.clock
   * @param {() => number} parts.random
   * @param {(conversationId: string, after: number) => Promise<Entry[]>} parts.fetchAfter
   * @param {(entry: Entry) => void} parts.onEntry
   * @param {(conversationId: string, range: import("./types.js").MissingRange) => void} parts.onHidden
   */
  constructor({ clock, random, fetchAfter, onEntry, onHidden }) {
    this.#emit = onEntry;
    this.#onHidden = onHidden;
    this.#repair = new GapRepair({
      clock,
      random,
      fetchAfter,
      missing: (id) => this.#buffers.get(id)?.missing() ?? null,
      fill: (id, after, entries) => this.#fill(id, after, entries),
      abandon: (id) => this.#buffers.get(id)?.abandon(),
    });
  }

  /** @param {Entry} entry */
  accept(entry) {
    const id = entry.conversation_id;
    const buffer = this.#touch(id);
    this.#hand(buffer.accept(entry));
    this.#repair.check(id);
  }

  /**
   * @param {string} conversationId
   * @param {number} seq everything up to here is already known; later calls only move it forward
   */
  startAt(conversationId, seq) {
    const buffer = this.#buffers.get(conversationId);
    if (buffer === undefined) this.reset(conversationId, seq);
    else this.#hand(buffer.startAt(seq));
  }

  /** @param {string} conversationId @param {number} seq forgets what was known */
  reset(conversationId, seq) {
    this.#buffers.delete(conversationId);
    this.#buffers.set(conversationId, new ReorderBuffer(seq, true));
  }

  /**
   * Where a conversation stands by the server's word.
   * @param {import("./types.js").ConversationState} state
   * @returns {boolean} true when its numbers were rolled back since: positions must be forgotten
   */
  welcome({ conversation_id: id, gen, head, delivered }) {
    const known = this.#generations.get(id);
    const rolledBack = known !== undefined && known !== gen;
    this.noteGeneration(id, gen);
    if (rolledBack) {
      this.reset(id, head);
      return true;
    }
    if (!this.#buffers.has(id)) {
      this.#buffers.set(id, new ReorderBuffer(delivered, delivered > 0));
    }
    this.noteHead(id, head);
    return false;
  }

  /** Generations count from 1; zero is "not known here". @param {string} conversationId @param {number} generation */
  noteGeneration(conversationId, generation) {
    if (generation > 0) this.#generations.set(conversationId, generation);
  }

  /** A conversation was made: it has no past. @param {string} conversationId */
  created(conversationId) {
    if (!this.#buffers.has(conversationId)) this.#buffers.set(conversationId, new ReorderBuffer());
  }

  /** @param {string} conversationId @param {number} head */
  noteHead(conversationId, head) {
    const buffer = this.#buffers.get(conversationId);
    if (buffer === undefined) return;
    buffer.noteHead(head);
    this.#repair.expect(conversationId);
  }

  /** @param {string} conversationId */
  forget(conversationId) {
    this.#buffers.delete(conversationId);
    this.#repair.forget(conversationId);
  }

  /** @param {string} conversationId */
  position(conversationId) {
    return this.#buffers.get(conversationId)?.position ?? 0;
  }

  /** @param {string} conversationId @returns {number | undefined} of what is held, where that is known */
  generation(conversationId) {
    return this.#generations.get(conversationId);
  }

  /** @param {string} conversationId @param {number} generation whether what is held is of this one */
  isOf(conversationId, generation) {
    return this.generation(conversationId) === generation;
  }

  /** @returns {Position[]} most recently active first */
  positions() {
    return [...this.#buffers]
      .map(([conversation_id, buffer]) => {
        const gen = this.#generations.get(conversation_id);
        return { conversation_id, seq: buffer.position, ...(gen === undefined ? {} : { gen }) };
      })
      .reverse();
  }

  connected() {
    this.#repair.start([...this.#buffers.keys()]);
  }

  connectionLost() {
    this.#repair.stop();
  }

  /** @param {string} conversationId @param {number} after @param {Entry[]} entries */
  #fill(conversationId, after, entries) {
    const buffer = this.#buffers.get(conversationId);
    if (buffer === undefined) return false;
    const { ready, hidden } = buffer.fill(after, entries);
    if (hidden !== null) this.#onHidden(conversationId, hidden);
    this.#hand(ready);
    return ready.length > 0 || hidden !== null;
  }

  /** @param {string} id */
  #touch(id) {
    const buffer = this.#buffers.get(id) ?? new ReorderBuffer();
    this.#buffers.delete(id);
    this.#buffers.set(id, buffer);
    return buffer;
  }

  /** @param {Entry[]} ready */
  #hand(ready) {
    for (const entry of ready) this.#emit(entry);
  }
}
