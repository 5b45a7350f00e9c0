// Messages with more to them: mentions, forwarding, deleting for oneself, disappearing, jumping to a day.
import assert from "node:assert/strict";
import { testId } from "../support/person.mjs";
import { lookAt } from "./own.mjs";

/** @typedef {import("../support/stage.mjs").Stage} Stage */

/** @param {Stage} stage */
export async function mentions(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  const cleo = await stage.person("Cleo Lindqvist");
  await alice.createGroup("Release", [bob, cleo]);
  const tablet = await stage.device(bob);
  await alice.page.click(testId("composer"));
  await alice.page.keyboard.type("please check, @bo");
  await alice.page.waitForSelector(testId("mention-offer"));
  await lookAt(alice, "mention-box");
  await alice.page.keyboard.press("Enter");
  await alice.composes(`please check, @${bob.username} `);
  await alice.page.keyboard.type("before noon");
  await alice.page.keyboard.press("Enter");
  for (const person of [bob, tablet]) await person.page.waitForSelector(`${testId("chat-item")}[data-name="Release"] ${testId("mentions")}`);
  assert.equal(await cleo.page.locator(testId("mentions")).count(), 0);
  await bob.picture("mentioned");
  // Read again from the server: still counted.
  await tablet.page.reload();
  await tablet.connected();
  await tablet.page.waitForSelector(testId("mentions"));
  await bob.open("Release");
  await bob.page.waitForSelector(`${testId("message")}.for-me ${testId("mention")} >> text=@Bob Okafor`);
  await lookAt(bob, "mention");
  for (const person of [bob, tablet]) await person.page.waitForSelector(testId("mentions"), { state: "detached" });

  // All at once.
  await alice.page.keyboard.type("@every");
  await alice.page.waitForSelector(`${testId("mention-offer")}[data-token="everyone"]`);
  await alice.page.keyboard.press("Tab");
  await alice.page.keyboard.type("it is out");
  await alice.page.keyboard.press("Enter");
  await cleo.page.waitForSelector(`${testId("chat-item")}[data-name="Release"] ${testId("mentions")}`);
  await cleo.open("Release");
  await cleo.page.waitForSelector(`${testId("message")}.for-me ${testId("mention")} >> text=@everyone`);
  for (const person of [alice, bob, cleo, tablet]) await person.leave();
}

/** @param {Stage} stage */
export async function forwarding(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  const cleo = await stage.person("Cleo Lindqvist");
  await bob.startDirect(alice);
  await bob.write("the door code is 4711");
  await alice.createGroup("Flat", [cleo]);
  await alice.open(bob.displayName);
  await alice.sees(["the door code is 4711"]);
  await alice.menu("the door code is 4711", "menu-forward");
  await alice.page.fill(testId("forward-filter"), "fla");
  await alice.page.check(`${testId("forward-to")}[data-name="Flat"] input`);
  await lookAt(alice, "forward");
  await alice.page.click(testId("forward"));
  await alice.inChat("Flat");
  await cleo.open("Flat");
  for (const person of [alice, cleo]) {
    await person.sees(["the door code is 4711"]);
    await person.message("the door code is 4711", "forwarded").waitFor();
  }
  await cleo.page.reload();
  await cleo.connected();
  await cleo.message("the door code is 4711", "forwarded").waitFor();
  await cleo.picture("forwarded");
  for (const person of [alice, bob, cleo]) await person.leave();
}

/** @param {Stage} stage */
export async function deletingForOneself(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  await bob.startDirect(alice);
  await bob.write("how embarrassing");
  const tablet = await stage.device(alice);
  for (const device of [alice, tablet]) {
    await device.open(bob.displayName);
    await device.sees(["how embarrassing"]);
  }
  await alice.menu("how embarrassing", "menu-hide");
  await alice.page.click(testId("confirm-hide"));
  for (const device of [alice, tablet]) await device.page.waitForSelector(`${testId("message")}[data-deleted]`);
  assert.equal(await bob.message("how embarrassing").count(), 1, "for oneself alone");
  await tablet.page.reload();
  await tablet.connected();
  await tablet.page.waitForSelector(`${testId("message")}[data-deleted]`);
  // Of one's own there is the choice.
  await bob.menu("how embarrassing", "menu-delete");
  await bob.page.waitForSelector(testId("confirm-hide"));
  await lookAt(bob, "delete-choice");
  await bob.page.keyboard.press("Escape");
  for (const person of [alice, bob, tablet]) await person.leave();
}

/** @param {Stage} stage */
export async function disappearing(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  await alice.startDirect(bob);
  await alice.page.click(testId("chat-info"));
  await alice.page.selectOption(testId("set-disappear"), "3600000");
  await alice.page.click(testId("close-dialog"));
  await bob.open(alice.displayName);
  for (const person of [alice, bob]) await person.page.waitForSelector(`${testId("system")} >> text=disappear after 1 hour`);
  await alice.write("gone in an hour");
  for (const person of [alice, bob]) await person.message("gone in an hour", "expiry").waitFor();
  // For one's own next messages: another time.
  await alice.page.click(testId("composer-more"));
  await alice.page.click(`${testId("composer-menu")} ${testId("timer")}`);
  await alice.picture("timers");
  await alice.page.click(`${testId("timer-menu")} ${testId("timer-86400000")}`);
  await alice.page.waitForSelector(`${testId("timer-note")} >> text=1 day`);
  await alice.write("gone in a day");
  for (const person of [alice, bob]) {
    await person.eventually(async () => /\b(24 h|1 d)\b/u.test(await person.message("gone in a day", "expiry").innerText()), true, "a day to go");
  }
  await lookAt(alice, "disappearing");

  // Soon is soon: it goes from both pages by itself, and stays away.
  const conversation_id = new URL(alice.page.url()).hash.slice(1);
  await alice.api("POST", "/v1/messages", { conversation_id, content: { text: { text: "gone in a moment" } }, expires_after_ms: 4_000 });
  for (const person of [alice, bob]) await person.message("gone in a moment").waitFor();
  for (const person of [alice, bob]) await person.message("gone in a moment").waitFor({ state: "detached" });
  await bob.page.reload();
  await bob.connected();
  await bob.sees(["gone in a day"]);
  assert.equal(await bob.message("gone in a moment").count(), 0);
  for (const person of [alice, bob]) await person.leave();
}

/** @param {Stage} stage */
export async function jumpingToADay(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  await alice.startDirect(bob);
  const conversation_id = new URL(alice.page.url()).hash.slice(1);
  for (let number = 1; number <= 130; number += 1) {
    await alice.api("POST", "/v1/messages", { conversation_id, content: { text: { text: `line ${number}` } } });
  }
  await bob.open(alice.displayName);
  await bob.sees(["line 130"]);
  await bob.page.click(testId("chat-more"));
  await bob.page.click(testId("jump-to-date"));
  await lookAt(bob, "jump-to-date");
  // All is of today: its first message is the first of all.
  await bob.page.click(testId("go-to-date"));
  await bob.page.waitForFunction(() => document.activeElement?.querySelector('[data-testid="message-text"]')?.textContent === "line 1");
  assert.ok(await bob.page.locator(testId("jump")).isVisible());
  await bob.page.click(testId("day"));
  await bob.page.waitForSelector(testId("date-dialog"));
  await bob.page.keyboard.press("Escape");
  await bob.page.click(testId("jump"));
  await bob.message("line 130").waitFor();
  for (const person of [alice, bob]) await person.leave();
}

/** A server that says what is behind links: its words are shown as text, its pictures are not. @param {Stage} stage */
export async function previews(stage) {
  const alice = await stage.visitor("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  const answer = { url: "https://example.org/preview", title: "A page <b>worth</b> reading", description: "What it says of itself.", image_url: "https://pictures.example.org/a.png", site_name: "Example" };
  await alice.page.route("**/v1/link-preview?**", (route) => {
    const asked = new URL(route.request().url()).searchParams.get("url");
    return asked === answer.url ? route.fulfill({ json: answer }) : route.fulfill({ status: 422, json: { code: "invalid_field", status: 422 } });
  });
  /** @type {string[]} */
  const asked = [];
  alice.page.on("request", (request) => asked.push(request.url()));
  await alice.register();
  await bob.startDirect(alice);
  await bob.write("have a look: https://example.org/preview");
  await alice.page.click(`${testId("chat-item")}[data-name="Bob Okafor"]`);
  await alice.page.waitForSelector(`${testId("link-preview")} >> text=A page <b>worth</b> reading`);
  await alice.write("and mine: https://example.org/preview");
  await alice.eventually(() => alice.page.locator(testId("link-preview")).count(), 2, "one card each");
  await lookAt(alice, "link-preview");
  assert.deepEqual(asked.filter((url) => new URL(url).host.endsWith("example.org")), [], "nothing is loaded from there");
  assert.equal(asked.filter((url) => url.includes("preview") && url.includes("example")).length, 1, "asked for once");
  for (const person of [alice, bob]) await person.leave();
}
