// Two people at once, reloads, offline spells, two tabs.
import assert from "node:assert/strict";
import { assertGapless, assertSame, assertWritten, testId, texts } from "../support/person.mjs";

/** @typedef {import("../support/stage.mjs").Stage} Stage */

/** @param {Stage} stage */
export async function exchange(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  await alice.startDirect(bob);
  const hers = texts("alice says", 40);
  const his = texts("bob says", 40);
  await alice.write("hello bob");
  await bob.open(alice.displayName);
  await bob.sees(["hello bob"]);
  await Promise.all([
    (async () => { for (const text of hers) await alice.write(text); })(),
    (async () => { for (const text of his) await bob.write(text); })(),
  ]);
  const all = ["hello bob", ...hers, ...his];
  for (const person of [alice, bob]) await person.sees(all);
  for (const person of [alice, bob]) await person.scrollUpTo((await firstSeq(alice)));
  const [atAlice, atBob] = [await alice.rows(), await bob.rows()];
  assertGapless(atAlice, "alice");
  assertSame(atAlice, atBob);
  assertWritten(atAlice, hers);
  assertWritten(atBob, his);
  assert.equal(atAlice.filter(({ kind }) => kind === "message").length, all.length);
  await alice.picture("exchange");

  await bob.page.reload();
  await bob.connected();
  await bob.inChat(alice.displayName);
  await bob.until((seen) => seen.length > 0, "history after a reload");
  await bob.scrollUpTo(/** @type {number} */ (atAlice[0].seq));
  assertSame(await bob.rows(), atAlice);
  for (const person of [alice, bob]) await person.leave();
}

/** @param {import("../support/person.mjs").Person} person */
async function firstSeq(person) {
  const { conversations } = await person.api("GET", `/v1/users/${(await person.session()).user_id}/conversations`);
  const page = await person.api("GET", `/v1/conversations/${conversations[0].conversation_id}/messages?after=0&limit=1`);
  const [entry] = Object.values(page.entries[0]);
  return /** @type {any} */ (entry).seq;
}

/** @param {Stage} stage */
export async function offlineSpell(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  await alice.startDirect(bob);
  await alice.write("before");
  await bob.open(alice.displayName);
  await bob.sees(["before"]);

  await bob.context.setOffline(true);
  await bob.status("waiting");
  const hers = texts("while you were away", 30);
  const his = texts("from the tunnel", 5);
  for (const text of his) await bob.write(text);
  for (const text of hers) await alice.write(text);
  await alice.sees(hers);
  const queued = (await bob.messages()).filter(({ text }) => his.includes(text));
  assert.deepEqual(queued.map(({ state, seq }) => [state, seq]), his.map(() => ["pending", null]));
  assert.equal((await bob.messages()).filter(({ text }) => hers.includes(text)).length, 0);
  await bob.picture("offline");

  await bob.context.setOffline(false);
  await bob.connected();
  const all = ["before", ...hers, ...his];
  for (const person of [alice, bob]) await person.sees(all);
  const [atAlice, atBob] = [await alice.rows(), await bob.rows()];
  assertGapless(atAlice, "alice");
  assertSame(atAlice, atBob);
  assertWritten(atBob, his);
  assert.equal(atBob.filter(({ kind }) => kind === "message").length, all.length);
  for (const row of atBob.filter(({ text }) => his.includes(text))) assert.equal(row.state, "sent");
  for (const person of [alice, bob]) await person.leave();
}

/**
 * The server dies while both write, and comes back: what was written is there once.
 * @param {Stage} stage @param {() => Promise<void>} crash
 */
export async function serverCrash(stage, crash) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  await alice.startDirect(bob);
  await alice.write("before");
  await bob.open(alice.displayName);
  await bob.sees(["before"]);
  const hers = texts("alice through it", 30);
  const his = texts("bob through it", 30);
  await Promise.all([
    (async () => { for (const text of hers) await alice.write(text); })(),
    (async () => { for (const text of his) await bob.write(text); })(),
    (async () => {
      await bob.page.waitForSelector(`${testId("message")} >> text=${hers[4]}`);
      await crash();
    })(),
  ]);
  for (const person of [alice, bob]) await person.connected();
  const all = ["before", ...hers, ...his];
  for (const person of [alice, bob]) await person.sees(all);
  const [atAlice, atBob] = [await alice.rows(), await bob.rows()];
  assertGapless(atAlice, "alice");
  assertSame(atAlice, atBob);
  assertWritten(atAlice, hers);
  assertWritten(atBob, his);
  assert.equal(atAlice.filter(({ kind }) => kind === "message").length, all.length);
  for (const person of [alice, bob]) await person.leave();
}

/** What was written without a connection outlives the page. @param {Stage} stage */
export async function outboxSurvivesReload(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  await alice.startDirect(bob);
  await alice.write("before");
  await bob.open(alice.displayName);
  await bob.sees(["before"]);
  let blocked = true;
  await alice.context.routeWebSocket(/\/ws$/u, (socket) => {
    if (blocked) void socket.close({ code: 1011 });
    else socket.connectToServer();
  });
  await alice.page.reload();
  await alice.status("waiting");
  const written = texts("kept", 3);
  for (const text of written) await alice.write(text);
  await alice.page.reload();
  await alice.status("waiting");
  await alice.page.waitForSelector(`${testId("message")}[data-state="pending"]`);
  const shown = (await alice.messages()).filter(({ state }) => state === "pending");
  assert.deepEqual(shown.map(({ text }) => text), written);
  blocked = false;
  await alice.page.evaluate(() => window.dispatchEvent(new Event("online")));
  await alice.connected();
  for (const person of [alice, bob]) await person.sees(written);
  const [atAlice, atBob] = [await alice.rows(), await bob.rows()];
  assertGapless(atBob, "bob");
  assertSame(atAlice, atBob);
  assertWritten(atBob, written);
  for (const person of [alice, bob]) await person.leave();
}

/** One device has one socket: the newer tab wins, the older one offers to take over. @param {Stage} stage */
export async function twoTabs(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  await alice.startDirect(bob);
  await alice.write("hello");
  const second = await alice.context.newPage();
  stage.watch(second, "alice's second tab");
  await second.goto(stage.url);
  await second.waitForSelector(`${testId("status-banner")}[data-status="connected"]`, { state: "attached" });
  await alice.status("replaced");
  // It does not fight for the socket.
  await alice.page.waitForTimeout(3_000);
  await alice.status("replaced");
  assert.match(await second.title(), /Switchboard/u);
  await alice.page.click(`${testId("status-banner")} button`);
  await alice.connected();
  await second.waitForSelector(`${testId("status-banner")}[data-status="replaced"]`);
  await alice.inChat(bob.displayName);
  await bob.open(alice.displayName);
  await bob.write("hello back");
  await alice.sees(["hello", "hello back"]);
  for (const person of [alice, bob]) await person.leave();
}

/** @param {Stage} stage */
export async function unreadAndMarks(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  await alice.startDirect(bob);
  for (const text of ["one", "two", "three"]) await alice.write(text);
  await alice.sees(["one", "two", "three"]);
  await bob.page.waitForFunction(() => document.title === "(3) Switchboard");
  const item = `${testId("chat-item")}[data-name="${alice.displayName}"]`;
  assert.match(await bob.page.innerText(`${item} ${testId("unread")}`), /^3/u);
  await bob.page.waitForSelector(`${item} >> text=three`);
  await bob.open(alice.displayName);
  await bob.page.waitForSelector(testId("unread-line"));
  await bob.page.waitForFunction(() => document.title === "Switchboard");
  assert.equal(await bob.page.locator(testId("unread")).count(), 0);
  // Read stays read.
  await bob.page.waitForTimeout(500);
  await bob.page.reload();
  await bob.connected();
  assert.equal(await bob.page.locator(testId("unread")).count(), 0);

  await bob.page.hover(`${testId("message")} >> text=two`);
  await bob.page.click(`${testId("message")}:has-text("two") ${testId("reply")}`);
  await bob.write("an answer");
  await alice.page.waitForSelector(`${testId("quote")} >> text=two`);

  // A draft waits for its author; a message too large is refused and can be thrown away.
  await alice.page.fill(testId("composer"), "half a thought");
  await alice.page.reload();
  await alice.connected();
  assert.equal(await alice.page.inputValue(testId("composer")), "half a thought");
  await alice.write("x".repeat(70_000));
  await alice.page.waitForSelector(`${testId("message")}[data-state="failed"]`);
  await alice.picture("failed");
  await alice.page.click(testId("discard"));
  await alice.page.waitForSelector(`${testId("message")}[data-state="failed"]`, { state: "detached" });
  await alice.write("still working");
  await bob.sees(["still working"]);
  for (const person of [alice, bob]) await person.leave();
}
