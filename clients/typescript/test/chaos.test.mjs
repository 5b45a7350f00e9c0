// Two clients and a server that loses, delays, cuts and refuses. Whatever happens, both end with
// the server's log: every message once, in one order. A failing seed is printed; run it alone
// with CHAOS_SEED=<seed>.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import WebSocket from "ws";
import { asEntries } from "../src/codec.js";
import { MessageStates, SwitchboardClient, memoryOutbox } from "../src/index.js";
import { MockServer } from "./mock_server.mjs";
import { seededRandom } from "./mock/random.mjs";
import { stateOf } from "./mock/states.mjs";

const SEEDS = process.env.CHAOS_SEED ? [Number(process.env.CHAOS_SEED)] : Array.from({ length: 12 }, (_, index) => index + 1);
const MESSAGES_EACH = 40;
const DEADLINE_MS = 20_000;

/** Real time, but back-off and waiting run faster so that a run takes seconds. */
const SPEED = 20;
const fastClock = {
  now: () => Date.now() * SPEED,
  setTimeout: (/** @type {() => void} */ callback, /** @type {number} */ delayMs) => setTimeout(callback, delayMs / SPEED),
  clearTimeout: (/** @type {any} */ timer) => clearTimeout(timer),
};

/** @type {Set<{ close: () => any }>} */
const open = new Set();
after(async () => {
  for (const one of open) await one.close();
});

/** @param {MockServer} server @param {string} username @param {number} seed */
async function person(server, username, seed) {
  const client = new SwitchboardClient({
    baseUrl: server.url,
    WebSocket: /** @type {any} */ (WebSocket),
    clock: fastClock,
    random: seededRandom(seed),
    outbox: memoryOutbox(),
  });
  /** @type {import("../src/types.js").Entry[]} */
  const entries = [];
  client.addEventListener("entry", (event) => entries.push(/** @type {CustomEvent} */ (event).detail));
  const session = await client.register({ username, password: "correct horse" });
  open.add(client);
  client.connect();
  return { client, entries, userId: session.user_id };
}

/** @param {() => boolean} condition @param {() => string} explain */
async function until(condition, explain) {
  const deadline = Date.now() + DEADLINE_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(explain());
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

for (const seed of SEEDS) {
  test(`seed ${seed}: both see the log, once and in order`, { timeout: DEADLINE_MS }, async () => {
    const random = seededRandom(seed * 7_919);
    const server = await new MockServer({
      seed,
      heartbeatMs: 2_000 * SPEED,
      accessTokenMs: 900_000 * SPEED,
      faults: {
        cutSocket: 0.02 * random(),
        loseAccepted: 0.1 * random(),
        dropPushed: 0.3 * random(),
        refuseForNow: 0.2 * random(),
        delayMsMax: 8 * random(),
      },
    }).listen();
    open.add(server);
    const [alice, bob] = await Promise.all([person(server, "alice", seed), person(server, "bob", seed + 1)]);
    const { conversation_id: id } = await alice.client.api.createConversation("direct", [bob.userId]);
    for (const { client } of [alice, bob]) client.startAt(id, 0, 1);

    /** @type {Promise<any>[]} */
    const sends = [];
    for (let number = 1; number <= MESSAGES_EACH; number += 1) {
      for (const [name, one] of /** @type {const} */ ([["alice", alice], ["bob", bob]])) {
        sends.push(one.client.send(id, `${name} ${number}`));
      }
      if (random() < 0.5) await new Promise((resolve) => setTimeout(resolve, random() * 6));
    }
    const results = await Promise.all(sends);
    // The faults end, so that the last lost entry can be found by the next head.
    server.faults = {};
    const { log } = /** @type {any} */ (server.world.conversations.get(id));
    assert.equal(log.length, MESSAGES_EACH * 2, "each message is stored exactly once");
    assert.equal(new Set(results.map(({ seq }) => seq)).size, log.length);
    await until(
      () => alice.entries.length >= log.length && bob.entries.length >= log.length,
      () => `alice has ${alice.entries.length}, bob ${bob.entries.length} of ${log.length}`,
    );
    const expected = log.map((/** @type {any} */ { new_message: one }) => [one.seq, one.message_id, one.content.text.text]);
    for (const [name, one] of /** @type {const} */ ([["alice", alice], ["bob", bob]])) {
      const seen = one.entries.map(({ seq, message_id, content }) => [seq, message_id, /** @type {any} */ (content).text.text]);
      assert.deepEqual(seen, expected, `${name} sees the log`);
      const own = expected.map((/** @type {string[]} */ [, , text]) => text).filter((/** @type {string} */ text) => text.startsWith(name));
      const written = Array.from({ length: MESSAGES_EACH }, (_, index) => `${name} ${index + 1}`);
      assert.deepEqual(own, written, `${name}'s messages keep the order they were written in`);
      assert.deepEqual(one.client.pending(), []);
      one.client.close();
      open.delete(one.client);
    }
    await server.close();
    open.delete(server);
  });
}

for (const seed of SEEDS.slice(0, 6)) {
  test(`seed ${seed}: changes through the same faults end in the server's states`, { timeout: DEADLINE_MS }, async () => {
    const random = seededRandom(seed * 104_729);
    const faults = { cutSocket: 0.02, loseAccepted: 0.08, dropPushed: 0.2, refuseForNow: 0.15, delayMsMax: 5 };
    const server = await new MockServer({ seed, heartbeatMs: 2_000 * SPEED, accessTokenMs: 900_000 * SPEED, faults }).listen();
    open.add(server);
    const people = await Promise.all([person(server, "alice", seed), person(server, "bob", seed + 1)]);
    const { conversation_id: id } = await people[0].client.api.createConversation("direct", [people[1].userId]);
    for (const { client } of people) client.startAt(id, 0, 1);
    const own = await Promise.all(people.map(({ client }) => Promise.all([1, 2, 3].map((number) => client.send(id, `message ${number}`)))));
    const all = own.flat().map(({ seq }) => seq);
    /** @type {Promise<any>[]} */
    const changes = [];
    const pick = (/** @type {any[]} */ list) => list[Math.floor(random() * list.length)];
    for (let number = 0; number < 25; number += 1) {
      for (const [index, { client }] of people.entries()) {
        const dice = random();
        if (dice < 0.5) changes.push(client.react(id, pick(all), pick(["👍", "👀"]), random() < 0.7));
        else if (dice < 0.8) changes.push(client.edit(id, pick(own[index]).seq, `edit ${number}`));
        else if (dice < 0.97) changes.push(client.pin(id, pick(all), random() < 0.5));
        else changes.push(client.deleteMessage(id, pick(own[index]).seq));
      }
    }
    await Promise.all(changes);
    server.faults = {};
    const log = asEntries(/** @type {any} */ (server.world.conversations.get(id)).log);
    assert.equal(log.length, 6 + changes.length, "each change is stored exactly once");
    await until(
      () => people.every(({ entries }) => entries.length >= log.length),
      () => `${people.map(({ entries }) => entries.length)} of ${log.length}`,
    );
    for (const { client, entries } of people) {
      assert.deepEqual(entries.map(({ message_id }) => message_id), log.map(({ message_id }) => message_id));
      const live = new MessageStates();
      for (const entry of entries) live.note(entry);
      const read = new MessageStates();
      read.notePage(await client.history(id, { limit: 200 }));
      for (const seq of all) {
        const expected = { reactions: [], pinned: false, ...stateOf(log, seq) };
        for (const states of [live, read]) {
          const { edited, ...state } = states.of(seq) ?? { seq };
          const shown = { reactions: [], pinned: false, ...state, ...(edited && { edited: { seq: edited.seq, at: edited.at, content: edited.content } }) };
          assert.deepEqual(shown, { ...expected, seq });
        }
      }
      client.close();
      open.delete(client);
    }
    await server.close();
    open.delete(server);
  });
}
