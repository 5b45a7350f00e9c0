// Three people and more, and a long past.
import assert from "node:assert/strict";
import { assertGapless, assertSame, assertWritten, testId, texts } from "../support/person.mjs";
import { PHONE } from "../support/stage.mjs";

/** @typedef {import("../support/stage.mjs").Stage} Stage */

/** @param {Stage} stage */
export async function group(stage) {
  const people = [];
  for (const name of ["Alice Meyer", "Bob Okafor", "Cleo Lindqvist"]) people.push(await stage.person(name));
  const [alice, bob, cleo] = people;
  await alice.createGroup("Weekend hike", [bob, cleo]);
  await alice.write("who is in?");
  for (const person of [bob, cleo]) await person.open("Weekend hike");
  const lines = people.map((person) => texts(person.displayName, 15));
  await Promise.all(people.map(async (person, index) => {
    for (const text of lines[index]) await person.write(text);
  }));
  const all = ["who is in?", ...lines.flat()];
  for (const person of people) await person.sees(all);
  const atAlice = await alice.rows();
  assertGapless(atAlice, "alice");
  for (const [index, person] of people.entries()) {
    assertSame(await person.rows(), atAlice);
    assertWritten(atAlice, lines[index]);
  }

  // Somebody new sees what comes, not what was.
  const dan = await stage.person("Dan Sato");
  await alice.page.click(testId("chat-info"));
  await alice.page.fill(`${testId("chat-info-dialog")} ${testId("person")}`, dan.username);
  await alice.page.click(testId("add-member"));
  await alice.page.waitForSelector(`${testId("members")} >> text=Dan Sato`);
  await alice.picture("group-info");
  await alice.page.click(testId("close-dialog"));
  await bob.page.waitForSelector(`${testId("system")} >> text=Alice Meyer added Dan Sato`);
  await dan.open("Weekend hike");
  await alice.write("welcome, dan");
  await dan.sees(["welcome, dan"]);
  assert.ok(!(await dan.messages()).some(({ text }) => all.includes(text)), "dan sees nothing from before");
  assertGapless(await dan.rows(), "dan");

  await cleo.page.click(testId("chat-info"));
  await cleo.page.click(testId("leave"));
  await cleo.page.click(testId("leave"));
  await cleo.page.waitForSelector(`${testId("chat-item")}[data-name="Weekend hike"]`, { state: "detached" });
  await bob.page.waitForSelector(`${testId("system")} >> text=Cleo Lindqvist left`);
  await alice.write("safe travels");
  for (const person of [bob, dan]) await person.sees(["safe travels"]);
  assert.equal(await cleo.page.locator(testId("chat-item")).count(), 0);
  await alice.picture("group");
  for (const person of [...people, dan]) await person.leave();
}

/** @param {Stage} stage */
export async function longHistory(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  const me = await alice.session();
  const him = await bob.session();
  const { conversation_id } = await alice.api("POST", "/v1/conversations", { kind: "direct", members: [him.user_id] });
  assert.notEqual(me.user_id, him.user_id);
  const past = texts("line", 200);
  for (const [index, text] of past.entries()) {
    const writer = index % 3 === 0 ? bob : alice;
    await writer.api("POST", "/v1/messages", { conversation_id, content: { text: { text } } });
  }
  await bob.api("POST", "/v1/read-receipt", { conversation_id, seq: (await head(bob, conversation_id)) });
  await bob.page.reload();
  await bob.connected();
  await bob.open(alice.displayName);
  await bob.sees([past[199]]);
  assert.ok((await bob.messages()).length < 150, "not everything at once");

  // What one reads stays where it is while older pages come in above it.
  const before = await bob.messages();
  const timeline = testId("timeline");
  await bob.page.$eval(timeline, (element) => element.scrollTo(0, 520));
  const place = await topMost(bob);
  await bob.page.waitForFunction(
    (/** @type {number} */ count) => document.querySelectorAll('[data-testid="message"]').length > count,
    before.length,
  );
  await bob.page.waitForTimeout(300);
  const after = await bob.page.$eval(`[data-message-id="${place.id}"]`, (element) => element.getBoundingClientRect().top);
  assert.ok(Math.abs(after - place.top) <= 2, `the page jumped by ${after - place.top} px`);
  await bob.picture("history");

  await bob.scrollUpTo(/** @type {number} */ (await firstOf(bob, conversation_id)));
  const rows = await bob.rows();
  assertGapless(rows, "bob");
  assert.deepEqual((await bob.messages()).map(({ text }) => text), past);

  // New messages do not drag the reader away; the button does.
  const reading = await topMost(bob);
  await alice.api("POST", "/v1/messages", { conversation_id, content: { text: { text: "something new" } } });
  await bob.page.waitForSelector(`${testId("jump")} >> text=1`);
  assert.deepEqual(await topMost(bob), reading, "the reader stays in place");
  await bob.page.click(testId("jump"));
  await bob.sees(["something new"]);
  await bob.page.waitForSelector(testId("jump"), { state: "hidden" });
  for (const person of [alice, bob]) await person.leave();
}

/** @param {import("../support/person.mjs").Person} person @param {string} id */
async function head(person, id) {
  return (await person.api("GET", `/v1/conversations/${id}`)).head;
}

/** @param {import("../support/person.mjs").Person} person @param {string} id */
async function firstOf(person, id) {
  const page = await person.api("GET", `/v1/conversations/${id}/messages?after=0&limit=1`);
  return Object.values(page.entries[0])[0].seq;
}

/** The first message in view. @param {import("../support/person.mjs").Person} person */
function topMost(person) {
  return person.page.evaluate(() => {
    const box = /** @type {HTMLElement} */ (document.querySelector('[data-testid="timeline"]')).getBoundingClientRect();
    const rows = /** @type {HTMLElement[]} */ ([...document.querySelectorAll('[data-testid="message"]')]);
    const row = /** @type {HTMLElement} */ (rows.find((one) => one.getBoundingClientRect().top >= box.top));
    return { id: row.dataset.messageId, top: row.getBoundingClientRect().top };
  });
}

/** @param {Stage} stage */
export async function phone(stage) {
  const alice = await stage.person("Alice Meyer", PHONE);
  const bob = await stage.person("Bob Okafor");
  await bob.startDirect(alice);
  await bob.write("are you on the train?");
  await alice.picture("phone-list");
  await alice.page.waitForSelector(`${testId("chat-item")}[data-name="${bob.displayName}"]`);
  assert.equal(await alice.page.isVisible(testId("composer")), false);
  await alice.page.tap(`${testId("chat-item")}[data-name="${bob.displayName}"]`);
  await alice.inChat(bob.displayName);
  assert.equal(await alice.page.isVisible(testId("chat-list")), false);
  await alice.page.fill(testId("composer"), "yes, with a long sentence that does not fit into one line of a phone");
  await alice.page.tap(testId("send"));
  await bob.sees(["yes, with a long sentence that does not fit into one line of a phone"]);
  await bob.write(`a-very-long-word-${"x".repeat(120)}`);
  await alice.until((seen) => seen.length === 3, "three messages");
  const widths = await alice.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(widths[0] <= widths[1], `wider than the phone: ${widths}`);
  await alice.picture("phone-chat");
  for (const name of ["back", "send", "chat-info"]) {
    const box = await alice.page.locator(testId(name)).boundingBox();
    assert.ok(box !== null && box.width >= 40 && box.height >= 40, `${name} is large enough for a thumb`);
  }
  await alice.page.tap(testId("back"));
  await alice.page.waitForSelector(testId("chat-list"));
  assert.equal(await alice.page.isVisible(testId("composer")), false);
  // The phone's own back gesture works too.
  await alice.page.tap(`${testId("chat-item")}[data-name="${bob.displayName}"]`);
  await alice.inChat(bob.displayName);
  await alice.page.goBack();
  await alice.page.waitForSelector(testId("chat-list"));
  for (const person of [alice, bob]) await person.leave();
}
