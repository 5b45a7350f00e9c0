// One conversation as the page knows it. Pure: no sockets, no elements.

/** @typedef {import("/sdk/src/index.js").Entry} Entry */
/** @typedef {import("/sdk/src/index.js").OutboxItem} OutboxItem */
/** @typedef {import("/sdk/src/index.js").UserView} UserView */

/**
 * A message of one's own on its way. It stays here after `accepted` until its entry takes its
 * place, so that it never vanishes in between.
 * @typedef {{ item: OutboxItem, state: "pending" | "sent" | "failed", seq?: number, sent_at?: number }} Outgoing
 */

/** @typedef {UserView & { role: "owner" | "admin" | "member" }} MemberView */

export class Chat {
  /** @type {"direct" | "group" | "channel"} */
  kind = "group";
  /** @type {string | undefined} */
  name;
  /** @type {UserView | undefined} the other one of a direct conversation */
  peer;
  /** @type {"owner" | "admin" | "member"} */
  role = "member";
  /** @type {MemberView[] | null} */
  members = null;
  /** False until its name and kind are known. */
  described = false;
  head = 0;
  read = 0;
  unread = 0;
  activityMs = 0;
  /** @type {Entry | undefined} for the list's second line */
  last;

  /** @type {Entry[]} a gapless stretch of the log, ascending */
  log = [];
  /** True when nothing is older than `log`. */
  complete = false;
  loading = false;
  loadFailed = false;
  /** Where the "new messages" line goes: above the first entry of others beyond this number. */
  unreadAfter = /** @type {number | null} */ (null);
  /** @type {Map<string, Outgoing>} */
  outgoing = new Map();
  /** @type {number | null} the entry that the next message answers */
  replyTo = null;

  /** @param {string} id */
  constructor(id) {
    this.id = id;
  }

  /**
   * A live entry, in order.
   * @param {Entry} entry
   * @param {string} myId
   */
  accept(entry, myId) {
    this.outgoing.delete(entry.message_id);
    const first = this.log[0];
    const last = this.log.at(-1);
    if (last === undefined || entry.seq > last.seq) this.log.push(entry);
    else if (entry.seq === first.seq - 1) this.log.unshift(entry);
    if (entry.seq > this.head) {
      this.head = entry.seq;
      if (entry.sender_id !== myId && entry.seq > this.read) this.unread += 1;
    }
    this.#noteLast(entry);
  }

  /**
   * A page of history: the newest, or the one just below what is here.
   * @param {Entry[]} entries ascending
   * @param {boolean} reachesStart
   */
  prepend(entries, reachesStart) {
    const first = this.log[0]?.seq ?? Infinity;
    const last = this.log.at(-1)?.seq ?? -Infinity;
    const older = entries.filter(({ seq }) => seq < first);
    const newer = entries.filter(({ seq }) => seq > last && seq > first);
    this.log = [...older, ...this.log, ...newer];
    this.complete = reachesStart;
    for (const { message_id } of entries) this.outgoing.delete(message_id);
    const newest = entries.at(-1);
    if (newest !== undefined) {
      this.head = Math.max(this.head, newest.seq);
      this.#noteLast(newest);
    }
  }

  /** The numbers were rolled back: nothing known is certain any more. @param {number} head */
  forgetLog(head) {
    this.log = [];
    this.complete = false;
    this.loadFailed = false;
    this.head = head;
    this.last = undefined;
  }

  /** @param {number} seq @returns {boolean} whether anything changed */
  markRead(seq) {
    if (seq <= this.read) return false;
    this.read = seq;
    if (seq >= this.head) this.unread = 0;
    return true;
  }

  /** @param {number} seq */
  find(seq) {
    const index = this.indexOf(seq);
    return this.log[index]?.seq === seq ? this.log[index] : undefined;
  }

  /** Where `seq` is or would be in `log`. @param {number} seq */
  indexOf(seq) {
    let low = 0;
    let high = this.log.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.log[middle].seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  get title() {
    if (this.kind === "direct") return this.peer?.display_name ?? this.name ?? "Direct chat";
    return this.name ?? (this.described ? "Unnamed group" : "…");
  }

  /** @param {Entry} entry */
  #noteLast(entry) {
    if (this.last !== undefined && this.last.seq > entry.seq) return;
    this.last = entry;
    this.activityMs = Math.max(this.activityMs, entry.sent_at);
  }
}
