import assert from "node:assert/strict";
import { test } from "node:test";
import { ReorderBuffer } from "../src/reorder.js";
import { seededRandom } from "./mock/random.mjs";
import { entry } from "./support/entries.mjs";

/** @param {import("../src/types.js").Entry[]} entries */
const seqs = (entries) => entries.map(({ seq }) => seq);

test("in order: handed out at once", () => {
  const buffer = new ReorderBuffer(4, true);
  assert.deepEqual(seqs(buffer.accept(entry(5))), [5]);
  assert.deepEqual(seqs(buffer.accept(entry(6))), [6]);
  assert.equal(buffer.missing(), null);
});

test("a jump is kept back until the hole is filled", () => {
  const buffer = new ReorderBuffer(0, true);
  assert.deepEqual(seqs(buffer.accept(entry(3))), []);
  assert.deepEqual(seqs(buffer.accept(entry(4))), []);
  assert.deepEqual(buffer.missing(), { after: 0, up_to: 2 });
  assert.deepEqual(seqs(buffer.accept(entry(1))), [1]);
  assert.deepEqual(buffer.missing(), { after: 1, up_to: 2 });
  assert.deepEqual(seqs(buffer.accept(entry(2))), [2, 3, 4]);
  assert.equal(buffer.missing(), null);
});

test("repeats are dropped, whether shown or held", () => {
  const buffer = new ReorderBuffer(2, true);
  assert.deepEqual(buffer.accept(entry(2)), []);
  buffer.accept(entry(5));
  assert.deepEqual(buffer.accept(entry(5)), []);
  assert.deepEqual(buffer.missing(), { after: 2, up_to: 4 });
});

test("a head without its entry is missing too", () => {
  const buffer = new ReorderBuffer(2, true);
  buffer.noteHead(4);
  assert.deepEqual(buffer.missing(), { after: 2, up_to: 4 });
  buffer.noteHead(1);
  assert.deepEqual(seqs(buffer.fill(2, [entry(3), entry(4)]).ready), [3, 4]);
  assert.equal(buffer.missing(), null);
});

test("after being added, what came before is no hole", () => {
  const buffer = new ReorderBuffer();
  buffer.accept(entry(57));
  const { ready, hidden } = buffer.fill(0, [entry(57)]);
  assert.deepEqual(seqs(ready), [57]);
  assert.deepEqual(hidden, { after: 0, up_to: 56 });
});

test("a hole in the middle is believed only when denied twice", () => {
  const buffer = new ReorderBuffer(10, true);
  buffer.accept(entry(13));
  assert.deepEqual(buffer.fill(10, [entry(13)]), { ready: [], hidden: null });
  const { ready, hidden } = buffer.fill(10, [entry(13)]);
  assert.deepEqual(hidden, { after: 10, up_to: 12 });
  assert.deepEqual(seqs(ready), [13]);
});

test("a late answer to an old question changes nothing but brings its entries", () => {
  const buffer = new ReorderBuffer(0, true);
  buffer.accept(entry(3));
  buffer.accept(entry(1));
  assert.deepEqual(seqs(buffer.fill(0, [entry(1), entry(2)]).ready), [2, 3]);
});

test("starting later drops what is known and hands out what follows", () => {
  const buffer = new ReorderBuffer();
  buffer.accept(entry(3));
  buffer.accept(entry(6));
  assert.deepEqual(seqs(buffer.startAt(5)), [6]);
  assert.deepEqual(seqs(buffer.startAt(2)), []);
  assert.equal(buffer.position, 6);
});

test("giving up leaves nothing missing", () => {
  const buffer = new ReorderBuffer(0, true);
  buffer.accept(entry(9));
  buffer.abandon();
  assert.equal(buffer.missing(), null);
});

test("any arrival order, with losses and repeats, comes out as 1, 2, 3 …", () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const random = seededRandom(seed);
    const buffer = new ReorderBuffer(0, true);
    const log = Array.from({ length: 60 }, (_, index) => entry(index + 1));
    /** @type {number[]} */
    const shown = [];
    for (let step = 0; step < 200; step += 1) {
      shown.push(...seqs(buffer.accept(log[Math.floor(random() * log.length)])));
      const range = buffer.missing();
      if (range !== null && random() < 0.2) {
        const page = log.slice(range.after, range.after + 5);
        shown.push(...seqs(buffer.fill(range.after, page).ready));
      }
    }
    buffer.noteHead(log.length);
    for (let range = buffer.missing(); range !== null; range = buffer.missing()) {
      shown.push(...seqs(buffer.fill(range.after, log.slice(range.after, range.after + 7)).ready));
    }
    assert.deepEqual(shown, seqs(log), `seed ${seed}`);
  }
});
