// The client over a fake socket and a fake clock: what goes out when, and what comes of it.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { CONVERSATION, DEVICE, ME, entryBody, messageId, welcomeBody } from "./support/entries.mjs";
import { settle } from "./support/fake_clock.mjs";
import { FakeSocket } from "./support/fake_socket.mjs";
import { connect, makeClient } from "./support/made_client.mjs";

beforeEach(() => {
  FakeSocket.opened = [];
});

const state = (/** @type {Partial<import("../src/types.js").ConversationState>} */ fields) => ({
  conversations: [{ conversation_id: CONVERSATION, gen: 1, head: 0, delivered: 0, read: 0, ...fields }],
});

test("says hello first, with token, device and positions", async () => {
  const made = makeClient();
  made.client.startAt(CONVERSATION, 9);
  const socket = await connect(made);
  assert.equal(socket.url, "wss://chat.test/ws");
  assert.deepEqual(socket.protocols, ["switchboard.v1.msgpack"]);
  assert.equal(socket.sent[0].name, "hello");
  const hello = socket.sent[0].body;
  assert.equal(hello.token, "first");
  assert.equal(hello.device_id, DEVICE);
  assert.deepEqual(hello.positions, [{ conversation_id: CONVERSATION, seq: 9 }]);
  assert.equal(made.client.state.state, "connected");
});

test("hello stays below the limit for strangers, most recent conversations first", async () => {
  const made = makeClient();
  for (let number = 1; number <= 500; number += 1) made.client.startAt(messageId(number), number);
  const socket = await connect(made);
  const { positions } = socket.sent[0].body;
  assert.ok(positions.length > 50 && positions.length < 100, `${positions.length}`);
  assert.equal(positions[0].seq, 500);
});

test("entries come out in order, once, and are acknowledged together", async () => {
  const made = makeClient();
  const socket = await connect(made, state({ head: 2, delivered: 2 }));
  for (const seq of [3, 5, 4, 4, 2]) socket.deliver("new_message", entryBody(seq));
  assert.deepEqual(made.seen("entry").map(({ seq }) => seq), [3, 4, 5]);
  await made.clock.advance(250);
  assert.deepEqual(socket.framesSent("ack"), [{ conversation_id: CONVERSATION, seq: 5 }]);
});

test("a stream of entries is acknowledged once a second", async () => {
  const made = makeClient();
  const socket = await connect(made, state({}));
  for (let seq = 1; seq <= 50; seq += 1) {
    socket.deliver("new_message", entryBody(seq));
    await made.clock.advance(50);
  }
  const acknowledged = socket.framesSent("ack").map(({ seq }) => seq);
  assert.ok(acknowledged.length === 3 && acknowledged[0] <= 6, `${acknowledged}`);
  await made.clock.advance(1_000);
  assert.equal(socket.framesSent("ack").at(-1).seq, 50);
  await made.clock.advance(5_000);
  socket.deliver("new_message", entryBody(51));
  await made.clock.advance(250);
  assert.equal(socket.framesSent("ack").at(-1).seq, 51, "at once when it was quiet");
});

test("a hole is fetched, and asked for again when no answer comes", async () => {
  const made = makeClient();
  const socket = await connect(made, state({ head: 2, delivered: 2 }));
  socket.deliver("new_message", entryBody(6));
  await made.clock.advance(249);
  assert.equal(socket.framesSent("fetch_history").length, 0, "accepted may overtake: wait");
  await made.clock.advance(10);
  assert.deepEqual(socket.framesSent("fetch_history"), [
    { ref: 1, conversation_id: CONVERSATION, after: 2, limit: 200 },
  ]);
  await made.clock.advance(13_000);
  const again = socket.framesSent("fetch_history")[1];
  assert.equal(again.after, 2);
  const entries = [3, 4, 5, 6].map((seq) => ({ new_message: entryBody(seq) }));
  socket.deliver("history", { ref: again.ref, conversation_id: CONVERSATION, entries, head: 6 });
  await settle();
  assert.deepEqual(made.seen("entry").map(({ seq }) => seq), [3, 4, 5, 6]);
});

test("a lost last entry is found by the heads in pong", async () => {
  const made = makeClient();
  const socket = await connect(made, state({ head: 2, delivered: 2 }));
  await made.clock.advance(25_000);
  assert.deepEqual(socket.framesSent("ping")[0].positions, [{ conversation_id: CONVERSATION, seq: 2 }]);
  socket.deliver("pong", { server_time: 1, heads: [{ conversation_id: CONVERSATION, seq: 3 }] });
  await made.clock.advance(2_000);
  assert.equal(socket.framesSent("fetch_history")[0].after, 2);
});

test("pings go out however busy the socket is", async () => {
  const made = makeClient();
  const socket = await connect(made, state({}));
  for (let seq = 1; seq <= 10; seq += 1) {
    await made.clock.advance(5_000);
    socket.deliver("new_message", entryBody(seq));
  }
  assert.equal(socket.framesSent("ping").length, 2);
});

test("a sent message is pending, then sent, then an entry at its number", async () => {
  const made = makeClient();
  const socket = await connect(made, state({}));
  const sent = made.client.send(CONVERSATION, "hi", { reply_to: 1 });
  const [frame] = socket.framesSent("send_message");
  assert.equal(frame.message_id, sent.message_id);
  assert.equal(frame.retry, undefined);
  assert.deepEqual(frame.content, { text: { text: "hi" } });
  // `accepted` overtakes number 1, which is still on its way.
  const accepted = { ref: frame.ref, message_id: frame.message_id, conversation_id: CONVERSATION, seq: 2, sent_at: 5, duplicate: false };
  socket.deliver("accepted", accepted);
  assert.deepEqual(await sent, { seq: 2, sent_at: 5, duplicate: false });
  assert.deepEqual(made.seen("entry"), []);
  socket.deliver("new_message", entryBody(1));
  const entries = made.seen("entry");
  assert.deepEqual(entries.map(({ seq }) => seq), [1, 2]);
  assert.equal(entries[1].sender_id, ME);
  assert.equal(entries[1].reply_to, 1);
  assert.deepEqual(made.seen("message_state").map((one) => one.state), ["pending", "sent"]);
  assert.deepEqual(made.client.pending(), []);
});

test("an unanswered message goes out again under the same id, marked as a retry", async () => {
  const made = makeClient();
  const first = await connect(made, state({}));
  const sent = made.client.send(CONVERSATION, "hi");
  first.hangUp(1006);
  await made.clock.advance(250);
  const second = FakeSocket.last;
  assert.notEqual(second, first);
  second.accept();
  second.deliver("welcome", welcomeBody(state({})));
  const [frame] = second.framesSent("send_message");
  assert.equal(frame.message_id, sent.message_id);
  assert.equal(frame.retry, true);
});

test("one's own message in catch-up settles it, and a late accepted does not double it", async () => {
  const made = makeClient();
  const first = await connect(made, state({}));
  const sent = made.client.send(CONVERSATION, "hi");
  first.hangUp(1006);
  await made.clock.advance(250);
  const socket = FakeSocket.last;
  socket.accept();
  socket.deliver("welcome", welcomeBody(state({ head: 1 })));
  const [frame] = socket.framesSent("send_message");
  socket.deliver("new_message", entryBody(1, { message_id: sent.message_id, sender_id: ME }));
  assert.deepEqual(made.client.pending(), []);
  const accepted = { ref: frame.ref, message_id: sent.message_id, conversation_id: CONVERSATION, seq: 1, sent_at: 5, duplicate: true };
  socket.deliver("accepted", accepted);
  assert.equal((await sent).seq, 1);
  assert.equal(made.seen("entry").length, 1);
});

test("temporary refusals are retried after the time the server names", async () => {
  const made = makeClient();
  const socket = await connect(made, state({}));
  made.client.send(CONVERSATION, "hi");
  const [frame] = socket.framesSent("send_message");
  const error = { code: "rate_limited", message: "slow down", temporary: true, retry_after_ms: 2_000 };
  socket.deliver("error", { ref: frame.ref, ...error });
  await made.clock.advance(1_999);
  assert.equal(socket.framesSent("send_message").length, 1);
  await made.clock.advance(1_001);
  const again = socket.framesSent("send_message")[1];
  assert.equal(again.message_id, frame.message_id);
  assert.equal(again.retry, true);
});

test("a permanent refusal fails the message until it is retried or discarded", async () => {
  const made = makeClient();
  const socket = await connect(made, state({}));
  const sent = made.client.send(CONVERSATION, "hi");
  const error = { code: "invalid_content", message: "no", temporary: false };
  socket.deliver("error", { ref: socket.framesSent("send_message")[0].ref, ...error });
  await assert.rejects(sent, { code: "invalid_content" });
  assert.equal(made.client.pending()[0].state, "failed");
  const retried = made.client.retry(sent.message_id);
  socket.deliver("error", { ref: socket.framesSent("send_message")[1].ref, ...error });
  await assert.rejects(retried, { code: "invalid_content" });
  made.client.discard(sent.message_id);
  assert.deepEqual(made.client.pending(), []);
});

test("what is too large for a frame is refused before it is sent", async () => {
  const made = makeClient();
  await connect(made);
  assert.throws(() => made.client.send(CONVERSATION, "x".repeat(140_000)), { code: "too_large" });
});

test("silence longer than two heartbeats means a new socket", async () => {
  const made = makeClient();
  const first = await connect(made);
  await made.clock.advance(64_000);
  assert.equal(FakeSocket.last, first);
  await made.clock.advance(2_000);
  assert.equal(first.closedWith, 4900);
  assert.notEqual(FakeSocket.last, first);
  assert.equal(made.seen("state").find((one) => one.reason === "heartbeat_lost")?.state, "disconnected");
});

test("a probe finds a dead connection within seconds and leaves a live one alone", async () => {
  const made = makeClient();
  const socket = await connect(made);
  made.client.probe();
  socket.deliver("pong", { server_time: 1 });
  await made.clock.advance(5_000);
  assert.equal(made.client.state.state, "connected");
  made.client.probe();
  await made.clock.advance(3_100);
  assert.equal(socket.closedWith, 4900);
});

test("draining: comes back after the time the server names", async () => {
  const made = makeClient();
  const socket = await connect(made);
  socket.deliver("draining", { reconnect_after_ms: 4_000 });
  socket.hangUp(4000, "draining");
  const closed = made.seen("state").at(-1);
  assert.equal(closed.reconnect_at_ms - made.clock.now(), 4_250);
  await made.clock.advance(4_249);
  assert.equal(FakeSocket.opened.length, 1);
  await made.clock.advance(1);
  assert.equal(FakeSocket.opened.length, 2);
});

test("failed attempts back off with full jitter", async () => {
  const made = makeClient();
  made.client.connect();
  /** @type {number[]} */
  const delays = [];
  for (let attempt = 0; attempt < 9; attempt += 1) {
    await settle();
    FakeSocket.last.hangUp(1006);
    const delay = made.seen("state").at(-1).reconnect_at_ms - made.clock.now();
    delays.push(delay);
    await made.clock.advance(delay);
  }
  assert.deepEqual(delays, [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
});

test("replaced by another window: stays away until asked", async () => {
  const made = makeClient();
  const socket = await connect(made);
  socket.hangUp(4004, "replaced");
  await made.clock.advance(600_000);
  assert.equal(FakeSocket.opened.length, 1);
  assert.deepEqual(made.client.state, { state: "disconnected", code: 4004, reason: "replaced" });
  made.client.connect();
  await settle();
  assert.equal(FakeSocket.opened.length, 2);
});

test("an expired token is renewed once, a second refusal ends it", async () => {
  let refreshes = 0;
  const made = makeClient({}, (url) => {
    assert.equal(url, "https://chat.test/v1/token/refresh");
    refreshes += 1;
    const body = { user_id: ME, device_id: DEVICE, access_token: `new-${refreshes}`, refresh_token: "r2", expires_in: 900 };
    return { status: 200, body };
  });
  const expired = { code: "token_expired", message: "", temporary: false };
  made.client.connect();
  await settle();
  for (const token of ["first", "new-1"]) {
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    const socket = FakeSocket.last;
    socket.accept();
    assert.equal(socket.framesSent("hello")[0].token, token);
    socket.deliver("error", expired);
    socket.hangUp(4501, "bad_token");
  }
  await made.clock.advance(60_000);
  assert.equal(refreshes, 1);
  assert.equal(FakeSocket.opened.length, 2);
  assert.equal(made.client.state.code, 4501);
});

test("resync forgets positions and goes on above the head", async () => {
  const made = makeClient();
  const socket = await connect(made, state({ head: 20, delivered: 20 }));
  socket.deliver("resync", { conversation_id: CONVERSATION, gen: 2, head: 5, reason: "restored" });
  assert.equal(made.seen("resync")[0].head, 5);
  socket.deliver("new_message", entryBody(6));
  assert.deepEqual(made.seen("entry").map(({ seq }) => seq), [6]);
});

test("news of a conversation is no reason to forget what already came of it", async () => {
  const made = makeClient();
  const first = await connect(made);
  first.deliver("new_message", entryBody(1));
  first.deliver("resync", { conversation_id: CONVERSATION, gen: 0, head: 0, reason: "created" });
  first.deliver("new_message", entryBody(2));
  assert.deepEqual(made.seen("created"), [{ conversation_id: CONVERSATION }]);
  first.hangUp(1006);
  await made.clock.advance(250);
  FakeSocket.last.accept();
  FakeSocket.last.deliver("welcome", welcomeBody(state({ gen: 1, head: 2, delivered: 2 })));
  assert.deepEqual(made.seen("resync"), []);
  assert.deepEqual(made.seen("entry").map(({ seq }) => seq), [1, 2]);
});

test("another generation in welcome is a resync too", async () => {
  const made = makeClient();
  const first = await connect(made, state({ head: 20, delivered: 20 }));
  first.hangUp(1006);
  await made.clock.advance(250);
  FakeSocket.last.accept();
  FakeSocket.last.deliver("welcome", welcomeBody(state({ gen: 2, head: 5 })));
  assert.equal(made.seen("resync")[0].head, 5);
  FakeSocket.last.deliver("new_message", entryBody(6));
  assert.deepEqual(made.seen("entry").map(({ seq }) => seq), [6]);
});

test("what it has of a log before a restore is not taken for the same numbers after it", async () => {
  const made = makeClient();
  const first = await connect(made, state({ head: 20, delivered: 18 }));
  for (const seq of [19, 20]) first.deliver("new_message", entryBody(seq));
  made.client.markRead(CONVERSATION, 20);
  const had = { conversation_id: CONVERSATION, seq: 20, gen: 1 };
  assert.deepEqual(made.client.positions(), [had]);
  first.hangUp(1006);
  await made.clock.advance(250);
  const socket = FakeSocket.last;
  socket.accept();
  assert.deepEqual(socket.framesSent("hello")[0].positions, [had]);
  // More was said since than the device had.
  socket.deliver("welcome", welcomeBody(state({ gen: 2, head: 25, delivered: 5, read: 5 })));
  socket.deliver("resync", { conversation_id: CONVERSATION, gen: 2, head: 25, reason: "restored" });
  assert.deepEqual(made.seen("resync").map(({ gen, head }) => [gen, head]), [[2, 25]], "told once");
  await made.clock.advance(300);
  for (const name of ["ack", "read_receipt"]) assert.deepEqual(socket.framesSent(name), [], name);
  socket.deliver("new_message", entryBody(26));
  assert.deepEqual(made.seen("entry").map(({ seq }) => seq), [19, 20, 26]);
  assert.deepEqual(made.client.positions(), [{ ...had, seq: 26, gen: 2 }]);
});

test("an application that keeps positions over a restart notices a restore", async () => {
  const made = makeClient();
  made.client.startAt(CONVERSATION, 20, 1);
  const socket = await connect(made, state({ gen: 2, head: 25 }));
  assert.deepEqual(socket.sent[0].body.positions, [{ conversation_id: CONVERSATION, seq: 20, gen: 1 }]);
  assert.equal(made.seen("resync")[0].head, 25);
  await made.clock.advance(300);
  assert.deepEqual(socket.framesSent("ack"), []);
});

test("a channel is joined with the generation of what is held, and reset by another", async () => {
  const made = makeClient();
  const socket = await connect(made);
  made.client.startAt(CONVERSATION, 20, 1);
  const joining = made.client.join(CONVERSATION, 20);
  await made.clock.advance(0);
  const { ref, ...asked } = socket.framesSent("join_conversation")[0];
  assert.deepEqual(asked, { conversation_id: CONVERSATION, after: 20, gen: 1 });
  socket.deliver("joined", { ref, conversation_id: CONVERSATION, gen: 2, head: 25, after: 25 });
  socket.deliver("resync", { conversation_id: CONVERSATION, gen: 2, head: 25, reason: "restored" });
  assert.deepEqual(await joining, { head: 25, after: 25 });
  assert.deepEqual(made.seen("resync").map(({ gen, head }) => [gen, head]), [[2, 25]]);
  socket.deliver("new_message", entryBody(26));
  assert.deepEqual(made.seen("entry").map(({ seq }) => seq), [26]);
  assert.deepEqual(made.client.positions(), [{ conversation_id: CONVERSATION, seq: 26, gen: 2 }]);
});

test("an acknowledgement lost with its socket is made good", async () => {
  const made = makeClient();
  const first = await connect(made, state({}));
  first.deliver("new_message", entryBody(1));
  made.client.markRead(CONVERSATION, 1);
  await made.clock.advance(300);
  first.hangUp(1006);
  await made.clock.advance(250);
  const socket = FakeSocket.last;
  socket.accept();
  socket.deliver("welcome", welcomeBody(state({ head: 1, delivered: 0, read: 0 })));
  await made.clock.advance(300);
  assert.deepEqual(socket.framesSent("ack"), [{ conversation_id: CONVERSATION, seq: 1 }]);
  assert.deepEqual(socket.framesSent("read_receipt"), [{ conversation_id: CONVERSATION, seq: 1 }]);
});

test("frames and fields it does not know do no harm", async () => {
  const made = makeClient();
  const socket = await connect(made, state({}));
  socket.deliver("weather_report", { sun: true });
  socket.deliver("new_message", entryBody(1, { shiny: 1 }));
  socket.deliver("reaction_changed", entryBody(2));
  socket.dispatchEvent(Object.assign(new Event("message"), { data: Uint8Array.of(0xc1) }));
  assert.deepEqual(made.seen("frame").map(({ name }) => name), ["weather_report"]);
  assert.deepEqual(made.seen("entry").map(({ kind }) => kind), ["new_message", "reaction_changed"]);
});
