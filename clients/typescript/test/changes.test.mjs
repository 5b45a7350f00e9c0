// Changes of messages, and what is told of people, over a fake socket.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { memoryOutbox, unreadCount } from "../src/index.js";
import { CONVERSATION, ME, OTHER, entry, messageId } from "./support/entries.mjs";
import { settle } from "./support/fake_clock.mjs";
import { FakeSocket } from "./support/fake_socket.mjs";
import { connect, makeClient } from "./support/made_client.mjs";

beforeEach(() => {
  FakeSocket.opened = [];
});

const known = { conversations: [{ conversation_id: CONVERSATION, gen: 1, head: 5, delivered: 5, read: 0 }] };

/** @param {FakeSocket} socket @param {any} frame @param {number} seq */
function accept(socket, frame, seq) {
  const { ref, message_id } = frame;
  socket.deliver("accepted", { ref, message_id, conversation_id: CONVERSATION, seq, sent_at: 9, duplicate: false });
}

test("each change is a frame of its own, and becomes its entry", async () => {
  const made = makeClient();
  const socket = await connect(made, known);
  /** @type {[string, string, () => any, object, object][]} */
  const cases = [
    ["edit_message", "message_edited", () => made.client.edit(CONVERSATION, 3, "better"), { content: { text: { text: "better" } } }, {}],
    ["delete_message", "message_deleted", () => made.client.deleteMessage(CONVERSATION, 3), {}, { scope: "everyone" }],
    ["react", "reaction_changed", () => made.client.react(CONVERSATION, 3, "👍"), { emoji: "👍", on: true }, {}],
    ["pin_message", "pin_changed", () => made.client.pin(CONVERSATION, 3, false), { on: false }, {}],
  ];
  for (const [index, [frame, kind, change, fields, onlySent]] of cases.entries()) {
    const promise = change();
    const [sent] = socket.framesSent(frame);
    const { ref, message_id, retry, ...body } = sent;
    assert.equal(message_id, promise.message_id);
    assert.equal(retry, undefined);
    assert.deepEqual(body, { conversation_id: CONVERSATION, target: 3, ...fields, ...onlySent });
    accept(socket, { ref, message_id }, 6 + index);
    assert.equal((await promise).seq, 6 + index);
    const expected = { kind, conversation_id: CONVERSATION, seq: 6 + index, message_id, sender_id: ME, sent_at: 9, target: 3, ...fields };
    assert.deepEqual(made.seen("entry").at(-1), expected);
  }
  assert.deepEqual(made.seen("change_state").map(({ state }) => state), Array(4).fill(["pending", "sent"]).flat());
  assert.equal(made.seen("message_state").length, 0);
  // Who writes has read what stands above.
  assert.deepEqual(made.seen("status").at(-1), { conversation_id: CONVERSATION, user_id: ME, delivered: 9, read: 9 });
  assert.deepEqual(made.client.receiptState(CONVERSATION, 9), { delivered: [], read: [] });
});

test("a change written offline waits behind its message, and goes out under its id", async () => {
  const outbox = memoryOutbox();
  const made = makeClient({ outbox });
  const sent = made.client.send(CONVERSATION, "hello");
  const reaction = made.client.react(CONVERSATION, 3, "👀", false);
  assert.equal(outbox.load().length, 2);
  const first = await connect(made, known);
  assert.equal(first.framesSent("react").length, 0, "one at a time");
  accept(first, first.framesSent("send_message")[0], 6);
  await sent;
  assert.equal(first.framesSent("react")[0].message_id, reaction.message_id);
  first.hangUp(1006);
  await made.clock.advance(2_000);
  await settle();
  FakeSocket.last.accept();
  FakeSocket.last.deliver("welcome", { ...(await import("./support/entries.mjs")).welcomeBody(known) });
  const [again] = FakeSocket.last.framesSent("react");
  assert.deepEqual([again.message_id, again.retry, again.on], [reaction.message_id, true, false]);
  // The log shows it before `accepted` does: that settles it, too.
  const body = { conversation_id: CONVERSATION, seq: 7, message_id: again.message_id, sender_id: ME, sent_at: 9, target: 3, emoji: "👀", on: false };
  FakeSocket.last.deliver("reaction_changed", body);
  assert.equal((await reaction).seq, 7);
  assert.equal(outbox.load().length, 0);
});

test("a change refused for good is told and forgotten", async () => {
  const outbox = memoryOutbox();
  const made = makeClient({ outbox });
  const socket = await connect(made, known);
  const edit = made.client.edit(CONVERSATION, 3, "not mine");
  const [{ ref }] = socket.framesSent("edit_message");
  socket.deliver("error", { ref, code: "forbidden", message: "only who wrote it", temporary: false });
  await assert.rejects(edit, { code: "forbidden" });
  assert.deepEqual(made.client.pending(), []);
  assert.equal(outbox.load().length, 0);
  assert.deepEqual(made.seen("change_state").map(({ state }) => state), ["pending", "failed"]);
});

test("history brings the states of its messages, with ids as text", async () => {
  const made = makeClient();
  const socket = await connect(made, known);
  const page = made.client.history(CONVERSATION);
  const [{ ref }] = socket.framesSent("fetch_history");
  const states = [
    { seq: 1, deleted: { seq: 4, at: 4, by: OTHER } },
    { seq: 2, reactions: [{ emoji: "👍", count: 1, user_ids: [OTHER] }], pinned: true },
  ];
  socket.deliver("history", { ref, conversation_id: CONVERSATION, entries: [], head: 5, states });
  assert.deepEqual((await page).states, states);
});

test("positions of others only grow, and answer who has a message", async () => {
  const receipts = { total: 2, delivered: 1, read: 1, pending: 1, members: [{ user_id: messageId(8), state: "read" }, { user_id: messageId(9), state: "pending" }] };
  const made = makeClient({}, () => ({ status: 200, body: receipts }));
  const socket = await connect(made, known);
  socket.deliver("message_status", { conversation_id: CONVERSATION, user_id: OTHER, delivered: 4, read: 2 });
  socket.deliver("message_statuses", { conversation_id: CONVERSATION, statuses: [{ user_id: OTHER, delivered: 3 }] });
  assert.deepEqual(made.seen("status"), [{ conversation_id: CONVERSATION, user_id: OTHER, delivered: 4, read: 2 }]);
  assert.deepEqual(made.client.receiptState(CONVERSATION, 2), { delivered: [OTHER], read: [OTHER] });
  assert.deepEqual(made.client.receiptState(CONVERSATION, 3), { delivered: [OTHER], read: [] });
  assert.deepEqual(await made.client.receipts(CONVERSATION, 3), receipts);
  assert.deepEqual(made.client.receiptState(CONVERSATION, 3).read, [messageId(8)]);
});

test("typing is said seldom, and believed for a while", async () => {
  const made = makeClient();
  const socket = await connect(made, known);
  for (let key = 0; key < 5; key += 1) made.client.typing(CONVERSATION);
  await made.clock.advance(3_000);
  made.client.typing(CONVERSATION);
  made.client.typing(CONVERSATION, "stopped");
  made.client.typing(CONVERSATION, "stopped");
  assert.deepEqual(socket.framesSent("typing_indicator").map(({ state }) => state), ["typing", "typing", "stopped"]);

  const update = { conversation_id: CONVERSATION, user_id: OTHER, state: "typing" };
  socket.deliver("typing_update", update);
  socket.deliver("typing_update", update);
  assert.deepEqual(made.client.typingUsers(CONVERSATION), [OTHER]);
  await made.clock.advance(6_000);
  assert.deepEqual(made.client.typingUsers(CONVERSATION), []);
  socket.deliver("typing_update", update);
  // Their message ends it.
  const { kind: _kind, ...body } = entry(6);
  socket.deliver("new_message", body);
  assert.deepEqual(made.seen("typing").map(({ user_ids }) => user_ids.length), [1, 0, 1, 0]);
});

test("presence is asked for again after each connection", async () => {
  const made = makeClient();
  made.client.subscribePresence([OTHER, OTHER]);
  made.client.setPresence("away");
  const socket = await connect(made, known);
  assert.deepEqual(socket.framesSent("subscribe_presence"), [{ user_ids: [OTHER] }]);
  assert.deepEqual(socket.framesSent("set_presence"), [{ status: "away" }]);
  socket.deliver("user_online", { user_id: OTHER, status: "offline", last_seen: 77 });
  assert.deepEqual(made.client.presence(OTHER), { user_id: OTHER, status: "offline", last_seen: 77 });
  assert.equal(made.client.presence(ME), null);
  made.client.subscribePresence([OTHER]);
  assert.equal(socket.framesSent("subscribe_presence").length, 1, "the same list is not sent again");
});

test("search answers entries and where the words are", async () => {
  /** @type {string[]} */
  const asked = [];
  const { kind: _kind, ...body } = entry(4);
  const made = makeClient({}, (url) => {
    asked.push(url);
    return { status: 200, body: { hits: [{ entry: { new_message: body }, highlights: [[0, 7]] }], next_cursor: "more" } };
  });
  const page = await made.client.search("message", { conversation_id: CONVERSATION, limit: 5 });
  assert.match(asked[0], /\/v1\/search\?q=message&conversation_id=[^&]+&limit=5$/u);
  assert.deepEqual([page.hits[0].entry.kind, page.hits[0].entry.seq, page.hits[0].highlights, page.next_cursor], ["new_message", 4, [[0, 7]], "more"]);
});

test("unread counts messages of others, when all are held", () => {
  const entries = [
    entry(3), entry(4, { sender_id: ME }), entry(5, { kind: "members_changed" }),
    entry(6, { kind: "reaction_changed", target: 4 }), entry(7),
  ];
  const facts = { entries, heldAfter: 2, read: 2, head: 7, userId: ME, told: 5 };
  assert.equal(unreadCount(facts), 2);
  assert.equal(unreadCount({ ...facts, read: 6 }), 1);
  assert.equal(unreadCount({ ...facts, read: 7 }), 0);
  assert.equal(unreadCount({ ...facts, isDeleted: (seq) => seq === 7 }), 1);
  assert.equal(unreadCount({ ...facts, read: 1 }), 5, "not all held: the server's number");
});
