// What belongs to one person, on each of their devices: how chats are held, drafts, blocks, settings, what comes later.
import assert from "node:assert/strict";
import { assertAccessible } from "../support/axe.mjs";
import { testId } from "../support/person.mjs";
import { PHONE } from "../support/stage.mjs";

/** @typedef {import("../support/stage.mjs").Stage} Stage */
/** @typedef {import("../support/person.mjs").Person} Person */

/** @param {string} name @param {string} [part] */
const item = (name, part) => `${testId("chat-item")}[data-name="${name}"]${part === undefined ? "" : ` ${testId(part)}`}`;

/** @param {Person} person @param {string} choice */
async function chatMenu(person, choice) {
  await person.page.click(testId("chat-more"));
  await person.page.click(`${testId("chat-menu")} ${testId(choice)}`);
}

/** Light, then dark: scanned and pictured. @param {Person} person @param {string} name */
export async function lookAt(person, name) {
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    await person.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await person.page.waitForTimeout(250);
    await person.picture(`${name}-${colorScheme}`);
    await assertAccessible(person.page, `${name}, ${colorScheme}`);
  }
  await person.page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
}

/** @param {Stage} stage */
export async function holding(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  const cleo = await stage.person("Cleo Lindqvist");
  await bob.startDirect(alice);
  await bob.write("about lunch");
  await cleo.startDirect(alice);
  await cleo.write("about dinner");
  const tablet = await stage.device(alice);
  await alice.open(bob.displayName);
  await chatMenu(alice, "pin-chat");
  for (const device of [alice, tablet]) {
    await device.page.waitForSelector(item("Bob Okafor", "is-pinned"));
    assert.equal(await device.page.locator(testId("chat-item")).first().getAttribute("data-name"), "Bob Okafor", "pinned ones stand first");
  }
  await chatMenu(alice, "mute");
  await alice.page.click(testId("mute-3600000"));
  for (const device of [alice, tablet]) await device.page.waitForSelector(item("Bob Okafor", "is-muted"));
  await lookAt(alice, "held-chats");

  // A muted chat does not call for attention; another does.
  await alice.open(cleo.displayName);
  await bob.write("anybody?");
  await tablet.page.waitForSelector(`${item("Bob Okafor", "unread")}.muted`);
  assert.equal(await tablet.page.title(), "Switchboard");

  // From the list, with the menu key; on the other device, too.
  await tablet.page.click(item("Cleo Lindqvist"), { button: "right" });
  await tablet.picture("list-menu");
  await tablet.page.click(`${testId("chat-menu")} ${testId("archive-chat")}`);
  for (const device of [alice, tablet]) {
    await device.page.waitForSelector(item("Cleo Lindqvist"), { state: "detached" });
    await device.page.waitForSelector(`${testId("archive-toggle")} >> text=Archived`);
  }
  await alice.page.click(testId("archive-toggle"));
  await alice.page.waitForSelector(item("Cleo Lindqvist"));
  assert.equal(await alice.page.locator(testId("chat-item")).count(), 1);
  await lookAt(alice, "archive");

  // It is the same after a reload, and can be undone.
  await alice.page.reload();
  await alice.connected();
  await alice.page.waitForSelector(item("Bob Okafor", "is-pinned"));
  await alice.page.click(testId("archive-toggle"));
  await alice.open(cleo.displayName);
  await chatMenu(alice, "archive-chat");
  await alice.page.waitForSelector(testId("archive-toggle"), { state: "hidden" });
  await tablet.page.waitForSelector(item("Cleo Lindqvist"));
  await alice.open(bob.displayName);
  await chatMenu(alice, "unmute");
  await tablet.page.waitForSelector(item("Bob Okafor", "is-muted"), { state: "detached" });
  for (const person of [alice, bob, cleo, tablet]) await person.leave();
}

/** What is begun on one device goes on on the other. @param {Stage} stage */
export async function sharedDrafts(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  await alice.startDirect(bob);
  await alice.write("first");
  await alice.sees(["first"]);
  const tablet = await stage.device(alice, PHONE);
  await alice.page.fill(testId("composer"), "half a tho");
  await tablet.page.waitForSelector(`${item("Bob Okafor")} >> text=Draft: half a tho`);
  await tablet.picture("phone-draft");
  await tablet.page.tap(item("Bob Okafor"));
  await tablet.composes("half a tho");
  await tablet.page.fill(testId("composer"), "half a thought, and the rest");
  await alice.composes("half a thought, and the rest");

  // Offline for a while: what was written then is there afterwards.
  await tablet.context.setOffline(true);
  await tablet.status("waiting");
  await tablet.page.fill(testId("composer"), "written in the tunnel");
  await tablet.context.setOffline(false);
  await alice.composes("written in the tunnel");

  // Sent there, it is no draft here.
  await tablet.page.tap(testId("send"));
  await alice.composes("");
  await alice.sees(["written in the tunnel"]);
  const fresh = await stage.device(alice);
  await fresh.page.waitForSelector(item("Bob Okafor"));
  assert.equal(await fresh.page.locator(`${item("Bob Okafor")} >> text=Draft`).count(), 0);
  for (const person of [alice, bob, tablet, fresh]) await person.leave();
}

/** A device that was away agrees with the others when it is back. @param {Stage} stage */
export async function apart(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  await bob.startDirect(alice);
  for (const text of ["one", "two"]) await bob.write(text);
  const tablet = await stage.device(alice);
  for (const device of [alice, tablet]) {
    await device.open(bob.displayName);
    await device.sees(["one", "two"]);
  }
  await alice.page.fill(testId("composer"), "begun together");
  await tablet.composes("begun together");
  await tablet.context.setOffline(true);
  await tablet.status("waiting");
  await alice.menu("one", "menu-hide");
  await alice.page.click(testId("confirm-hide"));
  await alice.page.waitForSelector(`${testId("message")}[data-deleted]`);
  await chatMenu(alice, "pin-chat");
  await chatMenu(alice, "mute");
  await alice.page.click(testId("mute-28800000"));
  await alice.page.fill(testId("composer"), "");
  await alice.page.waitForTimeout(2_000);
  await tablet.context.setOffline(false);
  await tablet.connected();
  await tablet.page.waitForSelector(`${testId("message")}[data-deleted]`);
  await tablet.page.waitForSelector(item("Bob Okafor", "is-pinned"));
  await tablet.page.waitForSelector(item("Bob Okafor", "is-muted"));
  await tablet.composes("");
  for (const person of [alice, bob, tablet]) await person.leave();
}

/** @param {Stage} stage */
export async function blocking(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  await bob.startDirect(alice);
  await bob.write("buy my things");
  const tablet = await stage.device(alice);
  for (const device of [alice, tablet]) await device.open(bob.displayName);
  await alice.sees(["buy my things"]);
  await chatMenu(alice, "block");
  await alice.picture("block");
  await alice.page.click(testId("confirm-block"));
  for (const device of [alice, tablet]) {
    await device.page.waitForSelector(`${testId("refused")} >> text=You blocked Bob Okafor`);
    assert.equal(await device.page.isVisible(testId("composer")), false);
  }
  await lookAt(alice, "blocked");
  await bob.write("please");
  await bob.page.waitForSelector(`${testId("message")}[data-state="failed"]`);
  await tablet.page.click(testId("settings"));
  await tablet.page.waitForSelector(`${testId("blocked-person")} >> text=Bob Okafor`);
  await tablet.page.click(testId("unblock-person"));
  for (const device of [alice, tablet]) await device.page.waitForSelector(testId("refused"), { state: "hidden" });
  await tablet.page.click(testId("close-dialog"));
  await bob.page.click(testId("retry"));
  await alice.sees(["please"]);
  for (const person of [alice, bob, tablet]) await person.leave();
}

/** @param {Stage} stage */
export async function privacy(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  const tablet = await stage.device(alice);
  for (const device of [alice, tablet]) await device.page.click(testId("settings"));
  await alice.page.uncheck(testId("privacy-receipts"));
  await alice.page.selectOption(testId("privacy-presence"), "nobody");
  await alice.page.selectOption(testId("privacy-last_seen"), "contacts");
  await tablet.eventually(() => tablet.page.isChecked(testId("privacy-receipts")), false, "receipts are off there, too");
  await tablet.eventually(() => tablet.page.inputValue(testId("privacy-presence")), "nobody", "presence is hidden there, too");
  await tablet.eventually(() => tablet.page.inputValue(testId("privacy-last_seen")), "contacts", "last seen, too");
  await lookAt(alice, "settings");
  await alice.page.click(testId("close-dialog"));
  await alice.page.reload();
  await alice.connected();
  await alice.page.click(testId("settings"));
  await alice.eventually(() => alice.page.isChecked(testId("privacy-receipts")), false, "kept");
  await alice.page.click(testId("close-dialog"));
  for (const person of [alice, bob, tablet]) await person.leave();
}

/** @param {Stage} stage */
export async function later(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  await alice.startDirect(bob);
  const tablet = await stage.device(alice);
  await tablet.open(bob.displayName);
  await alice.page.fill(testId("composer"), "happy birthday!");
  await alice.page.click(testId("composer-more"));
  await lookAt(alice, "composer-menu");
  await alice.page.click(testId("send-later"));
  await lookAt(alice, "send-later");
  await alice.page.click(testId("schedule"));
  await alice.page.waitForSelector(testId("schedule-dialog"), { state: "detached" });
  await alice.composes("");
  for (const device of [alice, tablet]) await device.page.waitForSelector(`${testId("waiting")} >> text=1 scheduled message`);
  // Changed on the other device.
  await tablet.page.click(testId("waiting"));
  await tablet.page.click(testId("change-scheduled"));
  await tablet.page.fill(testId("schedule-text"), "happy birthday, Bob!");
  await tablet.page.click(testId("schedule"));
  await alice.page.click(testId("waiting"));
  await alice.page.waitForSelector(`${testId("scheduled-item")} >> text=happy birthday, Bob!`);
  await lookAt(alice, "scheduled");
  await alice.page.click(testId("cancel-scheduled"));
  await alice.page.waitForSelector(`${testId("scheduled")} >> text=Nothing waits`);
  await alice.page.click(testId("close-dialog"));
  await tablet.page.waitForSelector(testId("waiting"), { state: "detached" });

  // One that is due soon comes by itself; on the page a minute is the least.
  const { conversations } = await alice.api("GET", "/v1/users/me/conversations").catch(() => ({ conversations: [] }));
  const conversation_id = conversations[0]?.conversation_id ?? new URL(alice.page.url()).hash.slice(1);
  await alice.api("POST", "/v1/scheduled", { conversation_id, content: { text: { text: "right on time" } }, send_at: Date.now() + 2_500 });
  await tablet.page.waitForSelector(testId("waiting"));
  await bob.open(alice.displayName);
  for (const person of [alice, tablet, bob]) await person.sees(["right on time"]);
  for (const device of [alice, tablet]) await device.page.waitForSelector(testId("waiting"), { state: "detached" });
  for (const person of [alice, bob, tablet]) await person.leave();
}
