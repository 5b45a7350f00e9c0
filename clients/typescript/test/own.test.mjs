// What is one's own on all devices, messages with more to them, bans and invites.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { EVERYONE, HERE, mentionsUser, unreadMentions } from "../src/index.js";
import { MessageStates } from "../src/message_states.js";
import { CONVERSATION, ME, OTHER, entry, messageId } from "./support/entries.mjs";
import { settle } from "./support/fake_clock.mjs";
import { FakeSocket } from "./support/fake_socket.mjs";
import { connect, makeClient } from "./support/made_client.mjs";

beforeEach(() => {
  FakeSocket.opened = [];
});

const known = { conversations: [{ conversation_id: CONVERSATION, gen: 1, head: 5, delivered: 5, read: 5 }] };

/** A client whose REST calls are written down as `[method, path, body]`. @param {(method: string, path: string, body: any) => any} [answer] */
function recording(answer = () => ({})) {
  /** @type {[string, string, any][]} */
  const calls = [];
  const made = makeClient({}, (url, init) => {
    const path = url.replace("https://chat.test", "");
    const body = init.body === undefined ? undefined : JSON.parse(init.body);
    calls.push([init.method, path, body]);
    return { status: 200, body: answer(init.method, path, body) };
  });
  return { ...made, calls };
}

test("each route of one's own is asked as the server knows it", async () => {
  const { client, calls } = recording((_method, path) => {
    if (path === "/v1/blocks") return { blocked: [{ user_id: OTHER }] };
    if (path === "/v1/scheduled") return { scheduled: [] };
    return {};
  });
  const { api } = client;
  await api.settings();
  await api.changeSettings({ presence: "nobody" });
  await api.holdConversation(CONVERSATION, { muted_until: null, pinned: true });
  assert.deepEqual(await api.blocks(), [{ user_id: OTHER }]);
  await api.block(OTHER);
  await api.unblock(OTHER);
  assert.deepEqual(await api.scheduled(), []);
  await api.schedule(CONVERSATION, "later", { send_at: 7 });
  await api.changeScheduled("s", { content: "other", send_at: 8 });
  await api.cancelScheduled("s");
  await api.readThread(CONVERSATION, 3, 9);
  const text = (/** @type {string} */ said) => ({ text: { text: said } });
  assert.deepEqual(calls, [
    ["GET", "/v1/users/me/settings", undefined],
    ["PATCH", "/v1/users/me/settings", { presence: "nobody" }],
    ["PATCH", `/v1/users/me/conversations/${CONVERSATION}`, { muted_until: null, pinned: true }],
    ["GET", "/v1/blocks", undefined],
    ["PUT", `/v1/blocks/${OTHER}`, undefined],
    ["DELETE", `/v1/blocks/${OTHER}`, undefined],
    ["GET", "/v1/scheduled", undefined],
    ["POST", "/v1/scheduled", { conversation_id: CONVERSATION, content: text("later"), send_at: 7 }],
    ["PATCH", "/v1/scheduled/s", { content: text("other"), send_at: 8 }],
    ["DELETE", "/v1/scheduled/s", undefined],
    ["POST", "/v1/read-receipt", { conversation_id: CONVERSATION, thread: 3, seq: 9 }],
  ]);
});

test("bans, invites and what a conversation is set to", async () => {
  const { client, calls } = recording((_method, path) => (path.endsWith("/bans") ? { bans: [] } : { invites: [] }));
  const { api } = client;
  await api.changeConversation(CONVERSATION, { description: null, disappear_after_ms: 60_000, posting: "admins" });
  assert.deepEqual(await api.bans(CONVERSATION), []);
  await api.ban(CONVERSATION, OTHER);
  await api.unban(CONVERSATION, OTHER);
  assert.deepEqual(await api.invites(CONVERSATION), []);
  await api.createInvite(CONVERSATION, { uses_max: 1 });
  await api.revokeInvite(CONVERSATION, "i");
  await api.invite("a/b");
  await api.joinByInvite("a/b");
  await api.linkPreview("https://example.org/?a=b&c");
  const path = `/v1/conversations/${CONVERSATION}`;
  assert.deepEqual(calls, [
    ["PATCH", path, { description: null, disappear_after_ms: 60_000, posting: "admins" }],
    ["GET", `${path}/bans`, undefined],
    ["PUT", `${path}/bans/${OTHER}`, undefined],
    ["DELETE", `${path}/bans/${OTHER}`, undefined],
    ["GET", `${path}/invites`, undefined],
    ["POST", `${path}/invites`, { uses_max: 1 }],
    ["DELETE", `${path}/invites/i`, undefined],
    ["GET", "/v1/invites/a%2Fb", undefined],
    ["POST", "/v1/invites/a%2Fb/join", undefined],
    ["GET", "/v1/link-preview?url=https%3A%2F%2Fexample.org%2F%3Fa%3Db%26c", undefined],
  ]);
});

test("threads come with entries, their states and how far one has read", async () => {
  const { kind: _kind, ...root } = entry(3);
  const { kind: _also, ...reply } = entry(8, { thread: 3 });
  const { client, calls } = recording((_method, path) => (path.includes("/messages")
    ? { entries: [{ new_message: reply }], read: 7 }
    : { threads: [{ thread: 3, root: { new_message: root }, replies: 1, unread: 1 }], next_before: 3 }));
  const list = await client.api.threads(CONVERSATION, { limit: 5 });
  assert.deepEqual([list.threads[0].root?.kind, list.threads[0].root?.seq, list.next_before], ["new_message", 3, 3]);
  const page = await client.api.threadMessages(CONVERSATION, 3, { before: 20 });
  assert.deepEqual([page.entries[0].thread, page.states, page.read], [3, [], 7]);
  assert.deepEqual(calls.map(([, path]) => path), [
    `/v1/conversations/${CONVERSATION}/threads?limit=5`,
    `/v1/conversations/${CONVERSATION}/threads/3/messages?before=20`,
  ]);
});

test("a thread is followed and left by hand", async () => {
  const { client, calls, seen } = recording();
  await client.followThread(CONVERSATION, 3);
  await client.followThread(CONVERSATION, 3, false);
  const path = `/v1/conversations/${CONVERSATION}/threads/3/follow`;
  assert.deepEqual(calls, [["PUT", path, undefined], ["DELETE", path, undefined]]);
  assert.deepEqual(seen("thread_followed"), [true, false].map((on) => ({ conversation_id: CONVERSATION, thread: 3, on })));
});

test("what another device changed is an event of its own, with ids as text", async () => {
  const made = makeClient();
  const socket = await connect(made, { conversations: [{ ...known.conversations[0], muted_until: 9, archived: true }] });
  assert.deepEqual(made.seen("conversations")[0].conversations[0].archived, true);
  socket.deliver("settings_changed", { read_receipts: false, presence: "contacts", last_seen: "nobody" });
  socket.deliver("conversation_settings", { conversation_id: CONVERSATION, pinned: true });
  socket.deliver("message_hidden", { conversation_id: CONVERSATION, seq: 4 });
  socket.deliver("thread_read", { conversation_id: CONVERSATION, thread: 3, seq: 4 });
  socket.deliver("thread_followed", { conversation_id: CONVERSATION, thread: 3, on: false });
  socket.deliver("block_changed", { user_id: OTHER, blocked: true });
  socket.deliver("scheduled_changed", { scheduled_id: messageId(5), conversation_id: CONVERSATION, state: "sent", send_at: 1, seq: 6 });
  assert.deepEqual(made.seen("settings"), [{ read_receipts: false, presence: "contacts", last_seen: "nobody" }]);
  assert.deepEqual(made.seen("conversation_settings"), [{ conversation_id: CONVERSATION, muted_until: null, archived: false, pinned: true }]);
  assert.deepEqual(made.seen("message_hidden"), [{ conversation_id: CONVERSATION, seq: 4 }]);
  assert.deepEqual(made.seen("thread_read"), [{ conversation_id: CONVERSATION, thread: 3, seq: 4 }]);
  assert.deepEqual(made.seen("thread_followed"), [{ conversation_id: CONVERSATION, thread: 3, on: false }]);
  assert.deepEqual(made.seen("block"), [{ user_id: OTHER, blocked: true }]);
  assert.deepEqual(made.seen("scheduled")[0].scheduled_id, messageId(5));
  assert.deepEqual(made.seen("frame"), []);
});

test("mentions of all, forwarding and disappearing are sent, and are in one's own entry", async () => {
  const made = makeClient();
  const socket = await connect(made, known);
  const origin = { conversation_id: messageId(70), seq: 2 };
  void made.client.forward(CONVERSATION, { ...origin, content: { text: { text: "again" } } }, { mentions: [HERE], expires_after_ms: 5_000 });
  const [sent] = socket.framesSent("send_message");
  assert.deepEqual([sent.mentions, sent.forwarded_from, sent.expires_after_ms], [[HERE], origin, 5_000]);
  socket.deliver("accepted", { ref: sent.ref, message_id: sent.message_id, conversation_id: CONVERSATION, seq: 6, sent_at: 100, duplicate: false });
  const own = made.seen("entry").at(-1);
  assert.deepEqual([own.mentions, own.forwarded, own.expires_at, own.forwarded_from], [[HERE], true, 5_100, undefined]);
  socket.deliver("members_changed", { conversation_id: CONVERSATION, seq: 7, message_id: messageId(7), sender_id: OTHER, sent_at: 1, removed: [ME], banned: [ME] });
  assert.deepEqual(made.seen("entry").at(-1).banned, [ME]);
});

test("a message that one deleted for oneself says nothing, whatever comes later", async () => {
  const states = new MessageStates();
  states.note(entry(6, { kind: "message_edited", target: 4, content: { text: { text: "changed" } } }));
  states.hide(4);
  const version = states.version(4);
  states.hide(4);
  assert.equal(states.version(4), version, "no news");
  states.note(entry(7, { kind: "reaction_changed", target: 4, emoji: "👍", on: true }));
  states.forget();
  assert.deepEqual([states.of(4)?.hidden, states.of(4)?.deleted !== undefined, states.of(4)?.reactions], [true, true, []]);

  const { client, calls, seen } = recording();
  await client.hideMessage(CONVERSATION, 4);
  assert.deepEqual(calls, [["DELETE", `/v1/conversations/${CONVERSATION}/messages/4?scope=me`, undefined]]);
  assert.deepEqual(seen("message_hidden"), [{ conversation_id: CONVERSATION, seq: 4 }]);
});

test("a draft is saved when the keys rest, once", async () => {
  let stamp = 100;
  const made = recording(() => ({ text: "", updated_at: (stamp += 1) }));
  await connect(made, known);
  for (const text of ["s", "se", "see you"]) made.client.writeDraft(CONVERSATION, { text });
  assert.equal(made.client.hasUnsavedDraft(CONVERSATION), true);
  await made.clock.advance(1_000);
  assert.deepEqual(made.calls.map(([method, , body]) => [method, body]), [["PUT", { text: "see you" }]]);
  assert.equal(made.client.hasUnsavedDraft(CONVERSATION), false);
});

test("of two drafts the later counts; what is written here is later", async () => {
  const made = recording((_method, _path, body) => ({ ...body, updated_at: 300 }));
  const socket = await connect(made, known);
  const draft = (/** @type {string} */ text, /** @type {number} */ updated_at) => ({ conversation_id: CONVERSATION, text, updated_at });
  socket.deliver("draft_changed", draft("from the phone", 200));
  socket.deliver("draft_changed", draft("late news", 150));
  assert.deepEqual(made.seen("draft").map(({ text }) => text), ["from the phone"]);
  made.client.writeDraft(CONVERSATION, { text: "here" });
  socket.deliver("draft_changed", draft("meanwhile", 250));
  assert.equal(made.seen("draft").length, 1, "not over what is being written");
  await made.clock.advance(1_000);
  assert.deepEqual(made.calls.at(-1)?.[2], { text: "here" });
  made.client.noteDraft(CONVERSATION, draft("here", 300));
  assert.equal(made.seen("draft").length, 1, "one's own is no news");
});

test("a list without the draft that is known says that it was sent elsewhere, unless it is older than the last key", async () => {
  const made = recording((_method, _path, body) => ({ ...body, updated_at: 300 }));
  await connect(made, known);
  made.client.noteDraft(CONVERSATION, { text: "from the phone", updated_at: 200 });
  made.client.noteDraft(CONVERSATION, null);
  assert.deepEqual(made.seen("draft").map(({ text }) => text), ["from the phone", ""]);
  made.client.writeDraft(CONVERSATION, { text: "here" });
  await made.clock.advance(1_000);
  made.client.noteDraft(CONVERSATION, null);
  assert.equal(made.seen("draft").length, 2);
  await made.clock.advance(15_000);
  made.client.noteDraft(CONVERSATION, null);
  assert.equal(made.seen("draft").length, 3);
});

test("a server that takes no drafts leaves them unsaved", async () => {
  const made = makeClient({}, () => ({ status: 404, body: { code: "not_found", status: 404 } }));
  await connect(made, known);
  made.client.writeDraft(CONVERSATION, { text: "kept here" });
  await made.clock.advance(5_000);
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(made.client.hasUnsavedDraft(CONVERSATION), true);
});

test("a draft written offline is saved after the connection; one that was sent is not", async () => {
  const made = recording((_method, _path, body) => ({ ...body, updated_at: 300 }));
  made.client.writeDraft(CONVERSATION, { text: "offline" });
  await made.clock.advance(2_000);
  assert.equal(made.calls.length, 0);
  const socket = await connect(made, known);
  await made.clock.advance(10);
  assert.deepEqual(made.calls.map(([, , body]) => body), [{ text: "offline" }]);
  made.client.writeDraft(CONVERSATION, { text: "offline, sent" });
  void made.client.send(CONVERSATION, "offline, sent", { clear_draft: true });
  await made.clock.advance(5_000);
  await settle();
  assert.equal(made.calls.length, 1, "the message takes its draft along");
  assert.equal(socket.framesSent("send_message")[0].clear_draft, true);
});

test("a save under way when the message goes is followed by an empty one", async () => {
  /** @type {((value: unknown) => void) | undefined} */
  let letGo;
  const held = new Promise((resolve) => {
    letGo = resolve;
  });
  /** @type {string[]} */
  const saved = [];
  const made = makeClient({
    fetch: async (/** @type {string} */ _url, /** @type {any} */ init) => {
      const { text } = JSON.parse(init.body);
      saved.push(text);
      if (saved.length === 1) await held;
      return new Response(JSON.stringify({ text, updated_at: saved.length }));
    },
  });
  await connect(made, known);
  made.client.writeDraft(CONVERSATION, { text: "slow" });
  await made.clock.advance(1_000);
  void made.client.send(CONVERSATION, "slow", { clear_draft: true });
  letGo?.(undefined);
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  await made.clock.advance(2_000);
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(saved, ["slow", ""]);
});

test("who is mentioned, and how many unread messages do so", () => {
  assert.equal(mentionsUser(entry(1, { mentions: [ME] }), ME), true);
  assert.equal(mentionsUser(entry(1, { mentions: [OTHER] }), ME), false);
  assert.equal(mentionsUser(entry(1, { mention_all: "here" }), ME), true);
  assert.equal(mentionsUser(entry(1, { mentions: [EVERYONE] }), ME), true);
  const entries = [entry(3, { mentions: [ME] }), entry(4), entry(5, { mention_all: "everyone" }), entry(6, { sender_id: ME, mentions: [ME] })];
  const facts = { entries, heldAfter: 2, read: 2, head: 6, userId: ME, told: 9 };
  assert.equal(unreadMentions(facts), 2);
  assert.equal(unreadMentions({ ...facts, read: 3 }), 1);
  assert.equal(unreadMentions({ ...facts, read: 6 }), 0);
  const here = [...entries.slice(0, 2), entry(5, { mentions: [HERE] }), entry(6, { mention_all: "here" })];
  assert.equal(unreadMentions({ ...facts, entries: here }), 3);
  assert.equal(unreadMentions({ ...facts, entries: here, wasHere: (seq) => seq === 6 }), 2, "who was there");
  assert.equal(mentionsUser(entry(1, { mentions: [HERE, ME] }), ME, false), true, "also by name");
  assert.equal(unreadMentions({ ...facts, heldAfter: 4, told: 3 }), 3, "not all held: the server's number");
});
