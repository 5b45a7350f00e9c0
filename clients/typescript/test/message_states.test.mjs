import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageStates, currentContent, isChange } from "../src/message_states.js";
import { seededRandom } from "./mock/random.mjs";
import { stateOf, statesOf } from "./mock/states.mjs";
import { ME, OTHER, entry, messageId } from "./support/entries.mjs";

const THIRD = messageId(77);
const USERS = [ME, OTHER, THIRD];

/** @param {number} seq @param {string} text */
const edit = (seq, text) => entry(seq, { kind: "message_edited", target: 1, content: { text: { text } } });
/** @param {number} seq @param {string} emoji @param {boolean} [on] @param {string} [sender_id] */
const react = (seq, emoji, on = true, sender_id = OTHER) =>
  entry(seq, { kind: "reaction_changed", target: 1, emoji, on, sender_id, content: undefined });
/** @param {number} seq */
const remove = (seq) => entry(seq, { kind: "message_deleted", target: 1, content: undefined });
/** @param {number} seq @param {boolean} [on] */
const pin = (seq, on = true) => entry(seq, { kind: "pin_changed", target: 1, on, content: undefined });

/** @param {number} number @param {import("../src/types.js").Change} change @returns {import("../src/types.js").OutboxItem} */
function item(number, change) {
  const ids = { message_id: messageId(number), conversation_id: entry(1).conversation_id };
  return { ...ids, change, options: {}, created_at: 1, state: "waiting", maybe_sent: false, attempts: 0, due_at: 0 };
}

/** @param {import("../src/types.js").Entry[]} entries */
function stateAfter(entries) {
  const states = new MessageStates();
  for (const one of entries) states.note(one);
  return states.of(1);
}

test("the last edit counts, in whatever order edits come", () => {
  const texts = (/** @type {any} */ state) => state?.edited?.content.text.text;
  assert.equal(texts(stateAfter([edit(2, "two"), edit(5, "five")])), "five");
  assert.equal(texts(stateAfter([edit(5, "five"), edit(2, "two")])), "five");
  assert.deepEqual(currentContent(entry(1), stateAfter([edit(5, "five")])), { text: { text: "five" } });
});

test("a deletion ends a message, whatever is said later", () => {
  const state = stateAfter([edit(2, "two"), remove(3), edit(4, "four"), react(5, "👍"), pin(6)]);
  assert.deepEqual(state, { seq: 1, deleted: { seq: 3, at: entry(3).sent_at, by: OTHER }, reactions: [], pinned: false });
  assert.deepEqual(currentContent(entry(1), state), { deleted: {} });
});

test("the last word of each user on each emoji, and the last word on the pin", () => {
  const state = stateAfter([react(2, "👍"), react(3, "👍", true, ME), react(4, "👀"), react(5, "👍", false), pin(6), pin(7, false)]);
  assert.deepEqual(state, {
    seq: 1,
    reactions: [{ emoji: "👍", count: 1, user_ids: [ME] }, { emoji: "👀", count: 1, user_ids: [OTHER] }],
    pinned: false,
  });
  assert.equal(stateAfter([react(2, "👍"), react(3, "👍", false)]), null);
});

test("what a page knows is not counted again; what came later is", () => {
  const states = new MessageStates();
  const known = { seq: 1, reactions: [{ emoji: "👍", count: 150, user_ids: [OTHER] }] };
  states.notePage({ entries: [entry(1)], states: [known], head: 10 });
  states.note(react(9, "👍", true, ME));
  assert.equal(states.of(1)?.reactions?.[0].count, 150);
  states.note(react(11, "👍", true, ME));
  assert.deepEqual(states.of(1)?.reactions, [{ emoji: "👍", count: 151, user_ids: [OTHER, ME] }]);
  // One of those who are counted without a name takes it back.
  states.note(react(12, "👍", false, THIRD));
  assert.equal(states.of(1)?.reactions?.[0].count, 150);
  // An older page changes nothing.
  states.notePage({ entries: [entry(1)], states: [], head: 8 });
  assert.equal(states.of(1)?.reactions?.[0].count, 150);
});

test("a change on its way is shown at once, and taken back when it is refused", () => {
  const states = new MessageStates();
  states.note(react(2, "👍"));
  const version = states.version(1);
  states.pend(item(500, { frame: "react", target: 1, emoji: "👍", on: true }), ME);
  states.pend(item(501, { frame: "edit_message", target: 1, content: { text: { text: "pending" } } }), OTHER);
  assert.ok(states.version(1) > version);
  assert.deepEqual(states.of(1)?.reactions, [{ emoji: "👍", count: 2, user_ids: [OTHER, ME] }]);
  assert.deepEqual(states.of(1)?.edited?.content, { text: { text: "pending" } });
  states.settle(messageId(501));
  assert.equal(states.of(1)?.edited, undefined);
  // Its entry takes its place.
  states.note({ ...react(3, "👍", true, ME), message_id: messageId(500) });
  assert.equal(states.of(1)?.reactions?.[0].count, 2);
  states.settle(messageId(500));
  assert.equal(states.of(1)?.reactions?.[0].count, 2);
  // A number without its entry will do, too.
  states.pend(item(502, { frame: "pin_message", target: 1, on: true }), ME);
  states.accept(messageId(502), { seq: 9, sent_at: 9 });
  states.note(pin(8, false));
  assert.equal(states.of(1)?.pinned, true);
});

test("pinned messages are listed", () => {
  const states = new MessageStates();
  states.note(pin(5));
  states.note({ ...pin(6), target: 4 });
  states.note({ ...pin(7), target: 3 });
  states.note({ ...pin(8, false), target: 3 });
  assert.deepEqual(states.pinned(), [1, 4]);
});

/** A log of messages and changes. @param {() => number} random @param {number} length */
function anyLog(random, length) {
  /** @type {import("../src/types.js").Entry[]} */
  const log = [];
  const pick = (/** @type {any[]} */ list) => list[Math.floor(random() * list.length)];
  for (let seq = 1; seq <= length; seq += 1) {
    const targets = log.filter(({ kind }) => kind === "new_message").map((one) => one.seq);
    const sender_id = pick(USERS);
    const base = entry(seq, { sender_id, content: undefined, target: pick(targets) });
    const dice = targets.length === 0 ? 0 : random();
    if (dice < 0.25) log.push(entry(seq, { sender_id }));
    else if (dice < 0.45) log.push({ ...base, kind: "message_edited", content: { text: { text: `edit ${seq}` } } });
    else if (dice < 0.5) log.push({ ...base, kind: "message_deleted" });
    else if (dice < 0.9) log.push({ ...base, kind: "reaction_changed", emoji: pick(["👍", "👀"]), on: random() < 0.6 });
    else log.push({ ...base, kind: "pin_changed", on: random() < 0.6 });
  }
  return log;
}

/** The order of emojis and of users is not known to whoever came late. @param {any} state */
function facts(state) {
  if (state === null) return null;
  const reactions = (state.reactions ?? []).map((/** @type {any} */ one) => [one.emoji, one.count, [...one.user_ids].sort()]);
  const said = state.edited && [state.edited.seq, state.edited.content];
  return [state.deleted, said, reactions.sort(), state.pinned ?? false];
}

test("pages and live entries in any order end in the state that the server serves", () => {
  for (let seed = 1; seed <= 400; seed += 1) {
    const random = seededRandom(seed);
    const log = anyLog(random, 3 + Math.floor(random() * 60));
    /** @type {((states: MessageStates) => void)[]} */
    const arrivals = [];
    // Somebody who joins at `from` reads what is older page by page, each at a head of its own.
    const from = Math.floor(random() * log.length);
    for (const one of log.slice(from)) arrivals.push((states) => void states.note(one));
    for (let end = from; end > 0;) {
      const start = Math.max(0, end - 1 - Math.floor(random() * 12));
      const head = from + Math.floor(random() * (log.length - from + 1));
      const entries = log.slice(start, end);
      const page = { entries, states: statesOf(log, entries.filter((one) => !isChange(one)), head), head };
      arrivals.push((states) => states.notePage(page));
      end = start;
    }
    // Some of it comes twice.
    arrivals.push(...arrivals.filter(() => random() < 0.2));
    const states = new MessageStates();
    for (const arrive of arrivals.sort(() => random() - 0.5)) arrive(states);
    for (const { seq, kind } of log) {
      if (kind !== "new_message") continue;
      assert.deepEqual(facts(states.of(seq)), facts(stateOf(log, seq)), `seed ${seed}, message ${seq}`);
    }
  }
});

test("live entries alone end in the very same state, order and all", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = seededRandom(seed);
    const log = anyLog(random, 40);
    const states = new MessageStates();
    for (const one of [...log].sort(() => random() - 0.5)) states.note(one);
    for (const { seq, kind } of log) {
      if (kind !== "new_message") continue;
      const expected = stateOf(log, seq)?.reactions ?? [];
      assert.deepEqual(states.of(seq)?.reactions ?? [], expected, `seed ${seed}, message ${seq}`);
    }
  }
});
