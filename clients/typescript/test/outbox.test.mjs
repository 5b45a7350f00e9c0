import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox } from "../src/outbox.js";
import { memoryOutbox, webOutbox, webSession } from "../src/storage.js";
import { messageId } from "./support/entries.mjs";

/** @param {number} number @param {object} [fields] @returns {import("../src/types.js").OutboxItem} */
function item(number, fields = {}) {
  return {
    message_id: messageId(number),
    conversation_id: "a",
    content: { text: { text: `${number}` } },
    options: {},
    created_at: number,
    state: "waiting",
    maybe_sent: false,
    attempts: 0,
    due_at: 0,
    ...fields,
  };
}

/** @param {import("../src/types.js").OutboxItem[]} items */
const numbers = (items) => items.map(({ created_at }) => created_at);

test("one message of a conversation at a time, conversations side by side", () => {
  const outbox = new Outbox();
  for (const number of [1, 2]) outbox.add(item(number));
  outbox.add(item(3, { conversation_id: "b" }));
  assert.deepEqual(numbers(outbox.takeDue(0)), [1, 3]);
  assert.deepEqual(numbers(outbox.takeDue(0)), []);
  outbox.remove(messageId(1));
  assert.deepEqual(numbers(outbox.takeDue(0)), [2]);
});

test("a window of several", () => {
  const outbox = new Outbox(2);
  for (const number of [1, 2, 3]) outbox.add(item(number));
  assert.deepEqual(numbers(outbox.takeDue(0)), [1, 2]);
  outbox.remove(messageId(1));
  assert.deepEqual(numbers(outbox.takeDue(0)), [3]);
});

test("a postponed message holds back those behind it", () => {
  const outbox = new Outbox(8);
  for (const number of [1, 2]) outbox.add(item(number));
  outbox.takeDue(0);
  outbox.postpone(messageId(1), 500);
  outbox.postpone(messageId(2), 0);
  assert.deepEqual(numbers(outbox.takeDue(100)), []);
  assert.equal(outbox.nextDueAt(), 500);
  assert.deepEqual(numbers(outbox.takeDue(500)), [1, 2]);
});

test("a lost connection makes what was under way due again", () => {
  const outbox = new Outbox();
  outbox.add(item(1));
  outbox.takeDue(0);
  outbox.connectionLost();
  assert.deepEqual(numbers(outbox.takeDue(0)), [1]);
  assert.equal(outbox.get(messageId(1))?.attempts, 2);
});

test("a failed message stays, but holds nobody up", () => {
  const outbox = new Outbox();
  for (const number of [1, 2]) outbox.add(item(number));
  outbox.takeDue(0);
  outbox.fail(messageId(1), { code: "invalid_content", message: "no" });
  assert.deepEqual(numbers(outbox.takeDue(0)), [2]);
  assert.deepEqual(numbers(outbox.items("a")), [1, 2]);
});

/** @returns {import("../src/storage.js").WebStorage} */
function fakeWebStorage() {
  /** @type {Map<string, string>} */
  const map = new Map();
  return {
    getItem: (key) => map.get(key) ?? null,
    setItem: (key, value) => void map.set(key, value),
    removeItem: (key) => void map.delete(key),
    key: (index) => [...map.keys()][index] ?? null,
    get length() {
      return map.size;
    },
  };
}

for (const [name, make] of /** @type {const} */ ([
  ["memory", () => memoryOutbox()],
  ["web", () => webOutbox(fakeWebStorage())],
])) {
  test(`${name} storage gives back what it was given, oldest first, bytes included`, () => {
    const storage = make();
    const encrypted = { encrypted: { scheme: "s", body: Uint8Array.from([0, 200, 255]) } };
    storage.put(item(1, { content: encrypted }));
    storage.put(item(2));
    storage.put(item(2, { state: "failed" }));
    assert.deepEqual(storage.load(), [item(1, { content: encrypted }), item(2, { state: "failed" })]);
    storage.remove(messageId(1));
    assert.deepEqual(numbers(storage.load()), [2]);
  });
}

test("web storage survives what others left in it", () => {
  const shared = fakeWebStorage();
  shared.setItem("other", "x");
  shared.setItem("switchboard.outbox.broken", "{");
  assert.deepEqual(webOutbox(shared).load(), []);
  const session = webSession(shared);
  assert.equal(session.load(), null);
  session.save(null);
});
