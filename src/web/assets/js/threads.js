// The threads of one conversation as far as they are known. Pure.

/** @typedef {import("/sdk/src/index.js").Entry} Entry */
/** @typedef {import("/sdk/src/index.js").Thread} Thread */

/** A thread that is being read. */
export class OpenThread {
  /** @type {Entry[]} replies, ascending */
  entries = [];
  complete = false;
  loading = true;
  failed = false;
  /** Where the "new replies" line goes. */
  unreadAfter = /** @type {number | null} */ (null);

  /** @param {number} root */
  constructor(root) {
    this.root = root;
  }

  /** @param {Entry[]} entries ascending, of any place */
  add(entries) {
    const held = new Map(this.entries.map((entry) => [entry.seq, entry]));
    for (const entry of entries) held.set(entry.seq, entry);
    this.entries = [...held.values()].sort((a, b) => a.seq - b.seq);
  }
}

export class Threads {
  /** @type {Map<number, Thread> | null} by the number of the first message; null: not known */
  #byRoot = null;
  /** All threads whose first message is from here on are known. */
  knownFrom = Infinity;

  get isKnown() {
    return this.#byRoot !== null;
  }

  /** @param {number} root */
  get(root) {
    return this.#byRoot?.get(root);
  }

  /** @returns {Thread[]} latest reply first */
  all() {
    return [...(this.#byRoot?.values() ?? [])].sort((a, b) => b.last_seq - a.last_seq);
  }

  /** Unread replies in threads that this user follows. */
  get unread() {
    return this.all().reduce((sum, { unread }) => sum + unread, 0);
  }

  /** @param {{ threads: Thread[], next_before?: number }} page @param {number} [before] what the page stands below */
  notePage({ threads, next_before }, before = Infinity) {
    this.#byRoot ??= new Map();
    for (const one of threads) this.#byRoot.set(one.thread, one);
    if (before >= this.knownFrom || before === Infinity) this.knownFrom = Math.min(this.knownFrom, next_before ?? 0);
  }

  /**
   * @param {Entry} reply live
   * @param {string} myId
   * @param {Entry | undefined} root
   * @returns {boolean} false when the thread must be asked for
   */
  noteReply({ thread, seq, sender_id }, myId, root) {
    if (this.#byRoot === null || thread == null) return true;
    const known = this.#byRoot.get(thread);
    if (known === undefined && thread < this.knownFrom) return false;
    const own = sender_id === myId;
    const before = known ?? { thread, root, replies: 0, last_seq: 0, participants: [], following: root?.sender_id === myId, read: 0, unread: 0 };
    if (seq <= before.last_seq) return true;
    const following = before.following || own;
    this.#byRoot.set(thread, {
      ...before,
      following,
      root: before.root ?? root,
      replies: before.replies + 1,
      last_seq: seq,
      participants: [sender_id, ...before.participants.filter((id) => id !== sender_id)],
      // Who replies has read what stands above.
      read: own ? seq : before.read,
      unread: own ? 0 : before.unread + Number(following),
    });
    return true;
  }

  /** @param {number} root @param {number} seq @returns {boolean} whether that is news */
  noteRead(root, seq) {
    const known = this.#byRoot?.get(root);
    if (known === undefined || seq <= known.read) return false;
    this.#byRoot?.set(root, { ...known, read: seq, unread: seq >= known.last_seq ? 0 : known.unread });
    return true;
  }

  /** @param {number} root @param {boolean} following @param {number} head @returns {boolean} whether that is news */
  noteFollow(root, following, head) {
    const known = this.#byRoot?.get(root);
    if (known === undefined || known.following === following) return false;
    // What was said before is not asked for by who follows from now on.
    this.#byRoot?.set(root, { ...known, following, read: following ? Math.max(known.read, head) : known.read, unread: 0 });
    return true;
  }

  forget() {
    this.#byRoot = null;
    this.knownFrom = Infinity;
  }
}
