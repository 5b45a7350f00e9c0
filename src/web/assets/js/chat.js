// One conversation as the page knows it. Pure: no sockets, no elements.
import { MessageStates, currentContent, isChange, mentionsHere, mentionsUser, unreadCount, unreadMentions } from "/sdk/src/index.js";
import { Threads } from "./threads.js";

/** @typedef {import("/sdk/src/index.js").Entry} Entry */
/** @typedef {import("/sdk/src/index.js").HistoryPage} HistoryPage */
/** @typedef {import("/sdk/src/index.js").OutboxItem} OutboxItem */
/** @typedef {import("/sdk/src/index.js").UserView} UserView */

/**
 * A message of one's own on its way. It stays here after `accepted` until its entry takes its
 * place, so that it never vanishes in between.
 * @typedef {{ item: OutboxItem, state: "pending" | "sent" | "failed", seq?: number, sent_at?: number }} Outgoing
 */

/** @typedef {UserView & { role: "owner" | "admin" | "member" }} MemberView */

/** In larger groups only owners and admins mention all. */
const CALLED_BY_ANY_MAX = 50;

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
  /** Unread by the server's count, for when not all of it is held. */
  #told = 0;
  activityMs = 0;
  /** @type {Entry | undefined} for the list's second line */
  last;

  /** @type {Entry[]} what has a row of its own: messages and news, ascending */
  log = [];
  /** Every entry from here to the end is held, in `log` or, changes, in `states`. */
  heldFrom = Infinity;
  /** What became of the messages. */
  states = new MessageStates();
  /** @type {Map<number, Entry | null>} single messages from before `heldFrom`; null while asked for */
  peeked = new Map();
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
  /** @type {number | null} one's own message that is being written anew */
  editing = null;
  /** @type {number | null} the message to show as soon as it can be */
  goTo = null;
  /** All others have received, and read, up to here. */
  reached = { delivered: 0, read: 0 };

  /** How this user holds it. */
  mutedUntil = 0;
  archived = false;
  pinned = false;
  /** Unread messages that mention this user or all. */
  mentions = 0;
  #toldMentions = 0;
  /** Messages that came while this user was there. @type {Set<number>} */
  #here = new Set();
  /** @type {string | undefined} */
  description;
  /** @type {string | undefined} */
  photo;
  /** @type {number | undefined} of messages that do not say so themselves */
  disappearAfterMs;
  /** @type {number | undefined} */
  retentionDays;
  /** @type {"everyone" | "admins" | undefined} undefined: this server does not say */
  posting;
  /** @type {number | null} for the next messages written here; null: as the conversation has it */
  expiresAfterMs = null;
  threads = new Threads();
  /** @type {import("./threads.js").OpenThread | null} */
  openThread = null;

  /** @param {string} id @param {string} myId */
  constructor(id, myId) {
    this.id = id;
    this.myId = myId;
  }

  /** A live entry, in order. @param {Entry} entry @param {boolean} [isHere] this user was there when it came */
  accept(entry, isHere = true) {
    if (isHere && mentionsHere(entry)) this.#here.add(entry.seq);
    this.outgoing.delete(entry.message_id);
    if (this.heldFrom === Infinity || entry.seq === this.heldFrom - 1) this.heldFrom = entry.seq;
    if (!this.states.note(entry)) this.#place(entry);
    if (entry.seq > this.head) {
      this.head = entry.seq;
      const counts = entry.kind === "new_message" && entry.sender_id !== this.myId && entry.seq > this.read;
      if (counts) this.#told += 1;
      if (counts && mentionsUser(entry, this.myId, isHere)) this.#toldMentions += 1;
    }
    this.#noteLast(entry);
    this.#count();
  }

  /** @param {Entry} entry a message or news */
  #place(entry) {
    const last = this.log.at(-1);
    if (last === undefined || entry.seq > last.seq) this.log.push(entry);
    else if (entry.seq < this.log[0].seq && entry.seq >= this.heldFrom) this.log.unshift(entry);
  }

  /**
   * A page of history: the newest, or the one just below what is here.
   * @param {HistoryPage} page
   * @param {boolean} reachesStart
   */
  prepend(page, reachesStart) {
    this.states.notePage(page);
    const shown = page.entries.filter((entry) => !isChange(entry));
    const first = this.log[0]?.seq ?? Infinity;
    const last = this.log.at(-1)?.seq ?? -Infinity;
    const older = shown.filter(({ seq }) => seq < first);
    const newer = shown.filter(({ seq }) => seq > last && seq > first);
    this.log = [...older, ...this.log, ...newer];
    this.heldFrom = Math.min(this.heldFrom, page.entries[0]?.seq ?? Infinity);
    this.complete = reachesStart;
    for (const { message_id } of page.entries) this.outgoing.delete(message_id);
    const newest = page.entries.at(-1);
    if (newest !== undefined) {
      this.head = Math.max(this.head, newest.seq);
      this.#noteLast(shown.at(-1) ?? newest);
    }
    this.#count();
  }

  /** The numbers were rolled back: nothing known is certain any more. @param {number} head */
  forgetLog(head) {
    this.log = [];
    this.heldFrom = Infinity;
    this.states.forget();
    this.peeked.clear();
    this.complete = false;
    this.loadFailed = false;
    this.head = head;
    this.last = undefined;
    this.threads.forget();
    this.openThread = null;
    this.reached = { delivered: 0, read: 0 };
  }

  /** @param {number} seq @returns {boolean} whether anything changed */
  markRead(seq) {
    if (seq <= this.read) return false;
    this.read = seq;
    this.#told = Math.min(this.#told, Math.max(0, this.head - seq));
    this.#toldMentions = Math.min(this.#toldMentions, this.#told);
    this.#count();
    return true;
  }

  /** By the server. @param {number} count of unread messages @param {number} mentions how many of them mention this user */
  tellUnread(count, mentions) {
    this.#told = count;
    this.#toldMentions = mentions;
    this.#count();
  }

  #count() {
    const { log: entries, read, head, myId: userId } = this;
    const heldAfter = this.complete ? 0 : this.heldFrom - 1;
    const isDeleted = (/** @type {number} */ seq) => this.states.of(seq)?.deleted !== undefined;
    const known = { entries, heldAfter, read, head, userId, isDeleted };
    this.unread = unreadCount({ ...known, told: this.#told });
    const wasHere = (/** @type {number} */ seq) => this.#here.has(seq);
    const counted = unreadMentions({ ...known, told: this.#toldMentions, wasHere });
    // Whether another device was there, the server knows.
    const isUnsure = entries.some((entry) => entry.seq > read && mentionsHere(entry) && !wasHere(entry.seq));
    this.mentions = Math.min(this.unread, isUnsure ? Math.max(counted, this.#toldMentions) : counted);
  }

  /** @param {{ muted_until?: number | null, archived?: boolean, pinned?: boolean }} holding */
  hold({ muted_until, archived, pinned }) {
    if (muted_until !== undefined) this.mutedUntil = muted_until ?? 0;
    if (archived !== undefined) this.archived = archived;
    if (pinned !== undefined) this.pinned = pinned;
  }

  get muted() {
    return this.mutedUntil > Date.now();
  }

  /** What the conversation is set to; absent fields stay. @param {import("/sdk/src/index.js").ConversationPatch} patch */
  apply({ name, description, photo, disappear_after_ms, retention_days, posting }) {
    if (name) this.name = name;
    if (description !== undefined) this.description = description ?? undefined;
    if (photo !== undefined) this.photo = photo ?? undefined;
    if (disappear_after_ms !== undefined) this.disappearAfterMs = disappear_after_ms ?? undefined;
    if (retention_days !== undefined) this.retentionDays = retention_days ?? undefined;
    if (posting !== undefined) this.posting = posting;
  }

  /** May this user write here? */
  get writable() {
    return this.posting !== "admins" || this.role !== "member" || this.kind === "direct";
  }

  /** All others are at least that far. @param {{ delivered: number, read: number }} reached @returns {boolean} whether that is news */
  noteReached({ delivered, read }) {
    const before = this.reached;
    this.reached = { delivered: Math.max(before.delivered, delivered, read), read: Math.max(before.read, read) };
    return this.reached.delivered > before.delivered || this.reached.read > before.read;
  }

  /** Whether this user may mention all members at once. */
  get mayCallAll() {
    return this.role !== "member" || this.kind === "direct" || (this.members?.length ?? 0) <= CALLED_BY_ANY_MAX;
  }

  /** May this user change what others wrote and what is pinned? */
  get manages() {
    return this.kind !== "direct" && this.role !== "member";
  }

  /** What a message says now. @param {Entry | undefined} entry */
  contentOf(entry) {
    if (entry === undefined) return undefined;
    return hasExpired(entry) ? { deleted: {} } : currentContent(entry, this.states.of(entry.seq));
  }

  /** A message held here, or looked up by itself. @param {number} seq */
  known(seq) {
    return this.find(seq) ?? this.peeked.get(seq) ?? undefined;
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

  /** The list tells of messages; a change of one is no news there. @param {Entry} entry */
  #noteLast(entry) {
    const { last } = this;
    if (last !== undefined && (isChange(entry) || (last.seq > entry.seq && !isChange(last)))) return;
    this.last = entry;
    this.activityMs = Math.max(this.activityMs, entry.sent_at);
  }
}

/** Whether what it says is gone by now. @param {Entry} entry */
export const hasExpired = ({ expires_at }) => typeof expires_at === "number" && expires_at <= Date.now();
