// What comes and goes: who writes, who is there, how far others are, and finding what was said.
import assert from "node:assert/strict";
import { assertAccessible } from "../support/axe.mjs";
import { testId } from "../support/person.mjs";
import { PHONE } from "../support/stage.mjs";

/** @typedef {import("../support/stage.mjs").Stage} Stage */
/** @typedef {import("../support/person.mjs").Person} Person */

/** @param {Person} person */
const subtitle = (person) => person.page.innerText(testId("subtitle"));

/** @param {Stage} stage */
export async function typing(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  const cleo = await stage.person("Cleo Lindqvist");
  await alice.createGroup("Weekend hike", [bob, cleo]);
  for (const person of [bob, cleo]) await person.open("Weekend hike");
  await bob.page.locator(testId("composer")).pressSequentially("I think that");
  await alice.eventually(() => subtitle(alice), "Bob Okafor is typing…", "bob types");
  await cleo.page.locator(testId("composer")).pressSequentially("me too");
  await alice.eventually(async () => (await subtitle(alice)).endsWith("are typing…"), true, "both type");
  await alice.picture("typing");
  // A message ends it, and so does silence.
  await bob.page.press(testId("composer"), "Enter");
  await alice.eventually(() => subtitle(alice), "Cleo Lindqvist is typing…", "bob sent it");
  const since = Date.now();
  await alice.eventually(async () => (await subtitle(alice)).includes("typing"), false, "silence");
  assert.ok(Date.now() - since < 15_000, "six seconds, on a busy machine");
  assert.match(await subtitle(alice), /^Group, 3 members/u);
  for (const person of [alice, bob, cleo]) await person.leave();
}

/** @param {Stage} stage */
export async function presence(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  await alice.startDirect(bob);
  await alice.eventually(() => subtitle(alice), "online", "bob is there");
  const face = `${testId("chat-item")}[data-name="Bob Okafor"] [data-presence]`;
  assert.equal(await alice.page.getAttribute(face, "data-presence"), "online");
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    await alice.page.emulateMedia({ colorScheme });
    await alice.page.waitForTimeout(300);
    await assertAccessible(alice.page, `presence, ${colorScheme}`);
    await alice.picture(`presence-${colorScheme}`);
  }
  await bob.leave();
  await alice.eventually(async () => (await subtitle(alice)).startsWith("last seen"), true, "bob left");
  await alice.picture("last-seen");
  await alice.leave();
}

/** Marks move by themselves, and what is read here is read there. @param {Stage} stage */
export async function statuses(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  await alice.startDirect(bob);
  await alice.write("did this arrive?");
  const tick = () => alice.message("did this arrive?").getAttribute("data-tick");
  await alice.eventually(tick, "delivered", "bob's device has it");
  const tablet = await stage.device(bob);
  for (const person of [bob, tablet]) await person.page.waitForFunction(() => document.title === "(1) Switchboard");
  await bob.open(alice.displayName);
  await alice.eventually(tick, "read", "bob read it");
  await tablet.page.waitForFunction(() => document.title === "Switchboard");
  assert.equal(await tablet.page.locator(testId("unread")).count(), 0, "read on one device is read on all");

  // A reaction is no unread message; a message is one.
  await bob.page.goto(`${stage.url}/#`);
  await alice.react("did this arrive?", "👍");
  await alice.write("good");
  await tablet.page.waitForFunction(() => document.title === "(1) Switchboard");
  await alice.picture("ticks");

  // Who answers has read what stands above: here, and on the other device.
  await tablet.page.click(`${testId("chat-item")}[data-name="${alice.displayName}"]`);
  await tablet.write("very good");
  await bob.page.waitForFunction(() => document.title === "Switchboard");
  for (const person of [alice, bob, tablet]) await person.leave();
}

/** @param {Stage} stage */
export async function searching(stage) {
  const alice = await stage.person("Alice Meyer", PHONE);
  const bob = await stage.person("Bob Okafor");
  const { user_id } = await alice.session();
  const { conversation_id } = await bob.api("POST", "/v1/conversations", { kind: "direct", members: [user_id] });
  const say = (/** @type {string} */ text) => bob.api("POST", "/v1/messages", { conversation_id, content: { text: { text } } });
  await say("The lighthouse opens at nine 🗼 and the ferry leaves at ten");
  for (let number = 1; number <= 90; number += 1) await say(`small talk ${number}`);
  await bob.page.reload();
  await bob.connected();
  await bob.page.waitForSelector(testId("search-all"));
  await bob.page.click(testId("search-all"));
  await bob.page.fill(testId("search-input"), "ferry");
  await bob.page.waitForSelector(`${testId("hit")} mark`);
  assert.deepEqual(await bob.page.locator(`${testId("hit")} mark`).allInnerTexts(), ["ferry"], "offsets count UTF-16 units");
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    await bob.page.emulateMedia({ colorScheme });
    await bob.page.waitForTimeout(300);
    await assertAccessible(bob.page, `search, ${colorScheme}`);
    await bob.picture(`search-${colorScheme}`);
  }
  await bob.page.fill(testId("search-input"), "nothing of that kind");
  await bob.page.waitForSelector(`${testId("search-status")} >> text=Nothing found.`);
  await bob.page.fill(testId("search-input"), "small");
  await bob.page.click(testId("more-hits"));
  await bob.page.waitForFunction((selector) => document.querySelectorAll(selector).length === 40, testId("hit"));
  await bob.page.fill(testId("search-input"), "lighthouse");
  await bob.page.waitForFunction((selector) => document.querySelectorAll(selector).length === 1, testId("hit"));
  await bob.page.click(testId("hit"));
  await bob.page.waitForSelector(testId("search-dialog"), { state: "detached" });
  await bob.page.waitForFunction(() => document.activeElement?.textContent?.includes("lighthouse"));

  await alice.page.tap(`${testId("chat-item")}[data-name="${bob.displayName}"]`);
  await alice.inChat(bob.displayName);
  await alice.page.tap(testId("search-chat"));
  await alice.page.fill(testId("search-input"), "lighthouse");
  await alice.page.waitForSelector(`${testId("hit")} mark`);
  await alice.picture("phone-search");
  await alice.page.tap(testId("hit"));
  await alice.message("The lighthouse opens at nine 🗼 and the ferry leaves at ten").waitFor();
  await alice.picture("phone-hit");
  for (const person of [alice, bob]) await person.leave();
}

/** A server that has no search: nothing leads to it. @param {Stage} stage */
export async function withoutSearch(stage) {
  const visitor = await stage.visitor("Vera Novak");
  await visitor.page.route("**/v1/search**", (route) => route.fulfill({ status: 404, json: { code: "not_found", status: 404 } }));
  await visitor.register();
  await visitor.page.waitForTimeout(500);
  assert.equal(await visitor.page.isVisible(testId("search-all")), false);
  await visitor.leave();
}
