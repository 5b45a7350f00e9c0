// What became of messages: the changes that later entries made to them. Pure. The rules:
// - of edits, and of deletions, the one with the highest number counts;
// - a deletion ends a message: its edits, reactions and pin are gone, whatever is said later;
// - of one user's changes of one emoji, and of changes of the pin, the last counts;
// - what this user deleted for themselves is gone for them, whatever is said later.
import { entryOf } from "./change_frames.js";

/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./types.js").MessageState} MessageState */
/** @typedef {import("./types.js").Reaction} Reaction */
/** @typedef {import("./types.js").OutboxItem} OutboxItem */

/** @typedef {{ seq: number, user_id: string, emoji: string, on: boolean }} ReactionChange */

/**
 * One message: what a page said of it, and what came one by one.
 * @typedef {object} Changes
 * @property {number} asOf   `base` knows everything up to this number
 * @property {MessageState | undefined} base
 * @property {MessageState["edited"]} edited
 * @property {MessageState["deleted"]} deleted
 * @property {{ seq: number, on: boolean } | undefined} pin
 * @property {Map<string, ReactionChange>} reactions by user and emoji
 * @property {MessageState | null | undefined} folded  kept until something changes
 * @property {number} version
 */

const KINDS = new Set(["message_edited", "message_deleted", "reaction_changed", "pin_changed"]);

/** @param {Entry} entry whether it changes a message instead of being one */
export const isChange = (entry) => KINDS.has(entry.kind) && Number.isInteger(entry.target);

/**
 * What a message says now; `{ deleted: {} }` when it was taken away.
 * @param {Entry} entry
 * @param {MessageState | null} [state]
 * @returns {import("./types.js").Content | undefined}
 */
export function currentContent(entry, state) {
  if (state?.deleted) return { deleted: {} };
  return state?.edited?.content ?? entry.content;
}

/** The states of one conversation's messages, whatever the order in which changes are learnt. */
export class MessageStates {
  /** @type {Map<number, Changes>} by the number of the message */
  #changes = new Map();
  /** Changes of one's own that have no number yet. @type {Map<string, Entry>} by message id */
  #pending = new Map();
  /** Messages that this user deleted for themselves. @type {Set<number>} */
  #hidden = new Set();

  /**
   * A page of history. Its states hold at its `head`; what has a higher number is applied on top.
   * @param {{ entries: Entry[], states?: MessageState[], head: number }} page
   */
  notePage({ entries, states = [], head }) {
    const stated = new Map(states.map((state) => [state.seq, state]));
    for (const entry of entries) {
      if (this.note(entry) || entry.kind !== "new_message") continue;
      // A message without changes needs no place here.
      if (stated.has(entry.seq) || this.#changes.has(entry.seq)) this.#noteBase(entry.seq, stated.get(entry.seq), head);
    }
  }

  /** @param {Entry} entry @returns {boolean} whether it is a change of a message */
  note(entry) {
    if (!isChange(entry)) return false;
    const changes = this.#of(/** @type {number} */ (entry.target));
    apply(changes, entry);
    this.settle(entry.message_id);
    touch(changes);
    return true;
  }

  /** Shows a change before the server has it. @param {OutboxItem} item @param {string} userId whose it is */
  pend(item, userId) {
    const entry = entryOf(item, { seq: 0, sent_at: item.created_at }, userId);
    this.#pending.set(entry.message_id, entry);
    touch(this.#of(/** @type {number} */ (entry.target)));
  }

  /** The server has it: it counts as its entry will. @param {string} messageId @param {{ seq: number, sent_at: number }} place */
  accept(messageId, place) {
    const entry = this.#pending.get(messageId);
    if (entry !== undefined) this.note({ ...entry, ...place });
  }

  /** Its entry came, or it was refused. @param {string} messageId */
  settle(messageId) {
    const entry = this.#pending.get(messageId);
    if (entry === undefined) return;
    this.#pending.delete(messageId);
    touch(this.#of(/** @type {number} */ (entry.target)));
  }

  /** @param {number} seq @returns {MessageState | null} null for a message as it was written */
  of(seq) {
    const changes = this.#changes.get(seq);
    if (changes === undefined) return null;
    if (this.#hidden.has(seq)) return { seq, deleted: { seq: 0, at: 0, by: "" }, hidden: true, reactions: [], pinned: false };
    if (changes.folded === undefined) changes.folded = fold(seq, this.#withPending(seq, changes));
    return changes.folded;
  }

  /** This user does not see any more what it said. @param {number} seq */
  hide(seq) {
    if (this.#hidden.has(seq)) return;
    this.#hidden.add(seq);
    touch(this.#of(seq));
  }

  /** Grows with every change of a message. @param {number} seq */
  version(seq) {
    return this.#changes.get(seq)?.version ?? 0;
  }

  /** @returns {number[]} the messages held up for all to see, as far as known, ascending */
  pinned() {
    return [...this.#changes.keys()].filter((seq) => this.of(seq)?.pinned).sort((a, b) => a - b);
  }

  /** Nothing known is certain any more; what is on its way still is. */
  forget() {
    this.#changes.clear();
    for (const seq of this.#hidden) this.#of(seq);
    for (const entry of this.#pending.values()) this.#of(/** @type {number} */ (entry.target));
  }

  /** @param {number} seq @param {MessageState | undefined} base @param {number} asOf */
  #noteBase(seq, base, asOf) {
    const changes = this.#of(seq);
    if (asOf < changes.asOf) return;
    changes.base = base;
    changes.asOf = asOf;
    touch(changes);
  }

  /** @param {number} seq */
  #of(seq) {
    let changes = this.#changes.get(seq);
    if (changes === undefined) {
      changes = empty();
      this.#changes.set(seq, changes);
    }
    return changes;
  }

  /** @param {number} seq @param {Changes} changes */
  #withPending(seq, changes) {
    const pending = [...this.#pending.values()].filter(({ target }) => target === seq);
    if (pending.length === 0) return changes;
    const copy = { ...changes, reactions: new Map(changes.reactions) };
    // Beyond every number, in the order in which they were made.
    for (const entry of pending) apply(copy, { ...entry, seq: Infinity });
    return copy;
  }
}

/** @returns {Changes} */
function empty() {
  const nothing = { base: undefined, edited: undefined, deleted: undefined, pin: undefined, folded: null };
  return { ...nothing, asOf: 0, reactions: new Map(), version: 0 };
}

/** @param {Changes} changes */
function touch(changes) {
  changes.folded = undefined;
  changes.version += 1;
}

/** @param {Changes} changes @param {Entry} entry */
function apply(changes, entry) {
  const { seq, sent_at: at, sender_id } = entry;
  /** @param {{ seq: number } | undefined} known */
  const isLater = (known) => known === undefined || known.seq < seq || seq === Infinity;
  if (entry.kind === "message_edited" && isLater(changes.edited)) {
    const content = /** @type {import("./types.js").Content} */ (entry.content);
    changes.edited = { seq, at, content, mentions: entry.mentions };
  } else if (entry.kind === "message_deleted" && isLater(changes.deleted)) {
    changes.deleted = { seq, at, by: sender_id };
  } else if (entry.kind === "pin_changed" && isLater(changes.pin)) {
    changes.pin = { seq, on: entry.on === true };
  } else if (entry.kind === "reaction_changed") {
    const emoji = entry.emoji ?? "";
    const slot = `${sender_id} ${emoji}`;
    if (!isLater(changes.reactions.get(slot))) return;
    // The order in which they are kept is the order of equal numbers.
    changes.reactions.delete(slot);
    changes.reactions.set(slot, { seq, user_id: sender_id, emoji, on: entry.on === true });
  }
}

/** @param {number} seq @param {Changes} changes @returns {MessageState | null} */
function fold(seq, changes) {
  const { base, asOf } = changes;
  const deleted = later(base?.deleted, changes.deleted);
  if (deleted !== undefined) return { seq, deleted, reactions: [], pinned: false };
  const edited = later(base?.edited, changes.edited);
  const pinned = changes.pin !== undefined && changes.pin.seq > asOf ? changes.pin.on : (base?.pinned ?? false);
  const news = [...changes.reactions.values()].filter((change) => change.seq > asOf);
  const reactions = withReactions(base?.reactions ?? [], news.sort((a, b) => (a.seq === b.seq ? 0 : a.seq - b.seq)));
  if (edited === undefined && !pinned && reactions.length === 0) return null;
  return edited === undefined ? { seq, reactions, pinned } : { seq, edited, reactions, pinned };
}

/**
 * @template {{ seq: number }} T
 * @param {T | undefined} one @param {T | undefined} other
 */
function later(one, other) {
  return one === undefined || (other !== undefined && other.seq > one.seq) ? other : one;
}

/** @param {Reaction[]} before @param {ReactionChange[]} changes by number @returns {Reaction[]} */
function withReactions(before, changes) {
  /** @type {Map<string, Reaction>} */
  const byEmoji = new Map(before.map((one) => [one.emoji, { ...one, user_ids: [...one.user_ids] }]));
  for (const { emoji, user_id, on } of changes) {
    const one = byEmoji.get(emoji) ?? { emoji, count: 0, user_ids: [] };
    byEmoji.set(emoji, one);
    const place = one.user_ids.indexOf(user_id);
    // A user who is not named may still be counted: then only taking back tells.
    const wasOn = place !== -1 || (!on && one.count > one.user_ids.length);
    if (place !== -1) one.user_ids.splice(place, 1);
    if (on) one.user_ids.push(user_id);
    one.count += Number(on) - Number(wasOn);
    // Gone and come back is last in the row.
    if (one.count === 0) byEmoji.delete(emoji);
  }
  return [...byEmoji.values()];
}
