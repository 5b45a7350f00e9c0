import { fullJitterMs } from "./backoff.js";
import { isTemporary } from "./errors.js";

/** A jump often closes by itself: `accepted` may overtake entries that are still on their way. */
const JUMP_WAIT_MS = 250;
/** A head without entries: catch-up is probably about to bring them. */
const HEAD_WAIT_MS = 2_000;
const RETRY = { baseMs: 1_000, capMs: 15_000 };

/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {{ timer: any, failures: number, seenAfter: number }} Repair */

/**
 * @typedef {object} GapRepairParts
 * @property {import("./types.js").Clock} clock
 * @property {() => number} random
 * @property {(conversationId: string, after: number) => Promise<Entry[]>} fetchAfter
 * @property {(conversationId: string) => import("./types.js").MissingRange | null} missing
 * @property {(conversationId: string, after: number, entries: Entry[]) => boolean} fill
 *   returns whether this moved the position
 * @property {(conversationId: string) => void} abandon
 */

/** Fetches what a reorder buffer misses, once it is clear that it will not come by itself. */
export class GapRepair {
  /** @type {Map<string, Repair>} */
  #repairs = new Map();
  #running = false;
  #parts;

  /** @param {GapRepairParts} parts */
  constructor(parts) {
    this.#parts = parts;
  }

  /** @param {string[]} conversationIds those that may have been left with a gap */
  start(conversationIds) {
    this.#running = true;
    for (const id of conversationIds) this.expect(id);
  }

  stop() {
    this.#running = false;
    for (const repair of this.#repairs.values()) this.#parts.clock.clearTimeout(repair.timer);
    this.#repairs.clear();
  }

  /** @param {string} id */
  forget(id) {
    this.#parts.clock.clearTimeout(this.#repairs.get(id)?.timer);
    this.#repairs.delete(id);
  }

  /** After an entry arrived. @param {string} id */
  check(id) {
    this.#schedule(id, JUMP_WAIT_MS);
  }

  /** After a head was named. @param {string} id */
  expect(id) {
    this.#schedule(id, HEAD_WAIT_MS);
  }

  /** @param {string} id @param {number} delayMs */
  #schedule(id, delayMs) {
    if (!this.#running || this.#repairs.has(id)) return;
    const range = this.#parts.missing(id);
    if (range === null) return;
    /** @type {Repair} */
    const repair = { timer: undefined, failures: 0, seenAfter: range.after };
    this.#repairs.set(id, repair);
    this.#wait(id, repair, delayMs);
  }

  /** @param {string} id @param {Repair} repair @param {number} delayMs */
  #wait(id, repair, delayMs) {
    repair.timer = this.#parts.clock.setTimeout(() => this.#due(id, repair), delayMs);
  }

  /** @param {string} id @param {Repair} repair */
  #due(id, repair) {
    const range = this.#parts.missing(id);
    if (range === null) {
      this.#repairs.delete(id);
    } else if (range.after > repair.seenAfter) {
      // Entries are flowing in order: this is catch-up at work, not a hole.
      repair.seenAfter = range.after;
      this.#wait(id, repair, JUMP_WAIT_MS);
    } else {
      void this.#fetch(id, repair, range.after);
    }
  }

  /** @param {string} id @param {Repair} repair @param {number} after */
  async #fetch(id, repair, after) {
    let moved = false;
    try {
      const entries = await this.#parts.fetchAfter(id, after);
      if (this.#repairs.get(id) !== repair) return;
      moved = this.#parts.fill(id, after, entries);
    } catch (error) {
      if (this.#repairs.get(id) !== repair) return;
      if (!isTemporary(error)) {
        this.#repairs.delete(id);
        this.#parts.abandon(id);
        return;
      }
    }
    repair.failures = moved ? 0 : repair.failures + 1;
    const range = this.#parts.missing(id);
    if (range === null) {
      this.#repairs.delete(id);
      return;
    }
    repair.seenAfter = range.after;
    this.#wait(id, repair, moved ? 0 : JUMP_WAIT_MS + fullJitterMs(repair.failures, this.#parts.random, RETRY));
  }
}
