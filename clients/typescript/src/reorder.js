/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./types.js").MissingRange} MissingRange */

const HELD_MAX = 2_000;

/**
 * Puts the entries of one conversation into the order of their numbers: keeps later ones back
 * on a jump, drops repeats, and says what is missing. Pure: it fetches nothing itself.
 */
export class ReorderBuffer {
  /** @type {Map<number, Entry>} */
  #held = new Map();
  /** Largest number known to exist. */
  #head;
  /** A hole the server denied once; believed when it denies it again. */
  #denied = { after: -1, next: -1 };

  /**
   * @param {number} [position] everything up to here has been handed out
   * @param {boolean} [known] false while the start is only a guess, as for a conversation one was
   *   just added to: what lies below its first visible entry is then no hole
   */
  constructor(position = 0, known = false) {
    this.position = position;
    this.known = known;
    this.#head = position;
  }

  /**
   * @param {Entry} entry
   * @returns {Entry[]} what may be shown now, in order
   */
  accept(entry) {
    if (entry.seq <= this.position || this.#held.has(entry.seq)) return [];
    this.#head = Math.max(this.#head, entry.seq);
    this.#held.set(entry.seq, entry);
    const ready = this.#drain();
    this.#trim();
    return ready;
  }

  /**
   * @param {number} seq everything up to here is known from elsewhere
   * @returns {Entry[]} what that makes ready
   */
  startAt(seq) {
    this.known = true;
    if (seq > this.position) {
      this.position = seq;
      this.#head = Math.max(this.#head, seq);
      for (const held of this.#held.keys()) if (held <= seq) this.#held.delete(held);
    }
    return this.#drain();
  }

  /** @param {number} head a number that exists, seen without its entry */
  noteHead(head) {
    this.#head = Math.max(this.#head, head);
  }

  /** @returns {MissingRange | null} the first range that must be fetched */
  missing() {
    if (this.#head <= this.position) return null;
    let lowest = this.#head + 1;
    for (const seq of this.#held.keys()) lowest = Math.min(lowest, seq);
    return { after: this.position, up_to: lowest - 1 };
  }

  /**
   * Takes the answer to "what is visible above `after`?".
   * @param {number} after
   * @param {Entry[]} entries ascending
   * @returns {{ ready: Entry[], hidden: MissingRange | null }} `hidden`: numbers that exist but
   *   are not for this user, such as those written while it was not a member
   */
  fill(after, entries) {
    const ready = entries.flatMap((entry) => this.accept(entry));
    if (after !== this.position || ready.length > 0) return { ready, hidden: null };
    const range = this.missing();
    if (range === null) return { ready, hidden: null };
    const next = entries.length > 0 ? entries[0].seq : range.up_to + 1;
    const believed =
      (!this.known && entries.length > 0) ||
      (this.#denied.after === after && this.#denied.next === next);
    if (!believed) {
      this.#denied = { after, next };
      return { ready, hidden: null };
    }
    this.position = next - 1;
    return { ready: this.#drain(), hidden: { after, up_to: next - 1 } };
  }

  /** Gives up on everything that is not in order: the conversation is no longer readable. */
  abandon() {
    this.#held.clear();
    this.#head = this.position;
  }

  /** @returns {Entry[]} */
  #drain() {
    const ready = [];
    for (;;) {
      const entry = this.#held.get(this.position + 1);
      if (entry === undefined) break;
      this.#held.delete(entry.seq);
      this.position = entry.seq;
      this.known = true;
      ready.push(entry);
    }
    return ready;
  }

  /** Memory stays bounded: what is dropped here is below the head and will be fetched. */
  #trim() {
    if (this.#held.size <= HELD_MAX) return;
    this.#held.delete(Math.max(...this.#held.keys()));
  }
}
