// Decisions without I/O: back-off, close policy, positions, ids, frames.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fullJitterMs } from "../src/backoff.js";
import { afterClose } from "../src/close_policy.js";
import { asEntry, decodeFrame, encodeFrame } from "../src/codec.js";
import { PositionLedger } from "../src/positions.js";
import { isUuid, uuidBytes, uuidText, uuidTimeMs, uuidV7 } from "../src/uuid.js";
import { CONVERSATION, ME, entryBody } from "./support/entries.mjs";

test("back-off doubles its ceiling up to the cap and jitters over all of it", () => {
  const ceilings = [0, 1, 2, 3, 10, 2_000].map((attempt) => fullJitterMs(attempt, () => 1));
  assert.deepEqual(ceilings, [500, 1_000, 2_000, 4_000, 30_000, 30_000]);
  assert.equal(fullJitterMs(5, () => 0), 0);
});

test("close codes decide whether to come back", () => {
  const base = { errorCode: null, refreshed: false, reconnectOnReplaced: false };
  /** @type {[number, object, string][]} */
  const table = [
    [1006, {}, "reconnect"],
    [1001, {}, "reconnect"],
    [1009, {}, "reconnect"],
    [4000, {}, "reconnect"],
    [4001, {}, "reconnect"],
    [4003, {}, "reconnect"],
    [4004, {}, "stop"],
    [4004, { reconnectOnReplaced: true }, "reconnect"],
    [4499, {}, "reconnect"],
    [4500, {}, "stop"],
    [4501, {}, "stop"],
    [4501, { errorCode: "token_expired" }, "refresh"],
    [4501, { errorCode: "token_expired", refreshed: true }, "stop"],
    [4502, { errorCode: "token_expired" }, "stop"],
    [4504, {}, "stop"],
  ];
  for (const [code, fields, expected] of table) {
    assert.equal(afterClose({ ...base, ...fields, code }), expected, `${code}`);
  }
});

test("positions are reported once, cumulatively, and again when the report was lost", () => {
  const ledger = new PositionLedger();
  assert.equal(ledger.advance(CONVERSATION, 3), true);
  assert.equal(ledger.advance(CONVERSATION, 7), true);
  assert.equal(ledger.advance(CONVERSATION, 5), false);
  assert.deepEqual(ledger.take(), [{ conversation_id: CONVERSATION, seq: 7 }]);
  assert.deepEqual(ledger.take(), []);
  ledger.confirm(CONVERSATION, 4);
  assert.deepEqual(ledger.take(), [{ conversation_id: CONVERSATION, seq: 7 }]);
});

test("UUIDv7 ids carry their time and sort by the order of their making", () => {
  const ids = Array.from({ length: 5_000 }, () => uuidV7(1_700_000_000_123));
  assert.ok(ids.every(isUuid));
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual([...ids].sort(), ids);
  assert.equal(uuidTimeMs(uuidV7(1_800_000_000_456)), 1_800_000_000_456);
  assert.match(ids[0], /^.{14}7.{4}[89ab]/u);
  assert.equal(uuidText(uuidBytes(ME)), ME);
  assert.equal(uuidTimeMs("5b1f9c1e-7d4b-4c3a-9d53-0242ac120002"), null);
});

test("ids are 16 bytes on the wire and text in JavaScript, wherever they stand", () => {
  const body = {
    ...entryBody(4),
    mentions: [ME],
    added: [{ user_id: ME, role: "member" }],
    removed: [ME],
    content: { text: { text: ME } },
  };
  const bytes = encodeFrame("new_message", body);
  const text = Buffer.from(bytes).toString("latin1");
  const raw = Buffer.from(uuidBytes(ME)).toString("latin1");
  assert.equal(text.split(`\xc4\x10${raw}`).length - 1, 3, "mention, added, removed");
  assert.equal(text.split(ME).length - 1, 1, "a text that looks like an id stays a text");
  assert.deepEqual(decodeFrame(bytes), { name: "new_message", body });
});

test("encrypted bodies of any length stay bytes", () => {
  const content = { encrypted: { scheme: "x", body: new Uint8Array(16) } };
  const decoded = decodeFrame(encodeFrame("new_message", { content }));
  assert.deepEqual(decoded?.body.content.encrypted.body, content.encrypted.body);
});

test("what is no frame is null", () => {
  for (const bytes of [[0xc1], [], [0x01], [0x80], [0x91, 0x01]]) {
    assert.equal(decodeFrame(Uint8Array.from(bytes)), null);
  }
  assert.equal(decodeFrame(encodeFrame("a", {}).subarray(0, 2)), null);
});

test("large integers survive, absent fields are left out", () => {
  const decoded = decodeFrame(encodeFrame("ack", { seq: 2 ** 40, after: undefined }));
  assert.deepEqual(decoded?.body, { seq: 2 ** 40 });
});

test("a log entry of a kind unknown to this version is still an entry", () => {
  assert.equal(asEntry("reaction_changed", entryBody(3))?.kind, "reaction_changed");
  assert.equal(asEntry("accepted", { seq: 3, sent_at: 1, conversation_id: CONVERSATION }), null);
});
