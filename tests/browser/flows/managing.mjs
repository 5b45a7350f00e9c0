// Running a group: roles, removing, who may delete and pin, and who has read what.
import assert from "node:assert/strict";
import { assertAccessible } from "../support/axe.mjs";
import { testId } from "../support/person.mjs";

/** @typedef {import("../support/stage.mjs").Stage} Stage */
/** @typedef {import("../support/person.mjs").Person} Person */

/** @param {Person} person */
const member = (person) => `${testId("member")}[data-username="${person.username}"]`;

/** @param {Stage} stage */
export async function roles(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  const cleo = await stage.person("Cleo Lindqvist");
  await alice.createGroup("Book club", [bob, cleo]);
  await cleo.open("Book club");
  await cleo.write("an advertisement");
  await bob.open("Book club");
  await bob.sees(["an advertisement"]);
  await bob.menu("an advertisement");
  assert.equal(await bob.page.locator(testId("menu-delete")).count(), 0, "a member deletes nobody's");
  assert.equal(await bob.page.locator(testId("menu-pin")).count(), 0, "a member pins nothing");
  await bob.page.keyboard.press("Escape");

  await alice.page.click(testId("chat-info"));
  await alice.page.selectOption(`${member(bob)} ${testId("role")}`, "admin");
  for (const person of [alice, bob]) {
    await person.page.waitForSelector(`${testId("system")} >> text=${person === bob ? "Alice Meyer made you an admin" : "You made Bob Okafor an admin"}`);
  }
  await assertAccessible(alice.page, "managing a group");
  await alice.picture("roles");
  await alice.page.click(testId("edit-chat"));
  await alice.page.fill(testId("rename"), "Book club, Fridays");
  await alice.page.click(testId("save-name"));
  for (const person of [alice, bob, cleo]) await person.inChat("Book club, Fridays");
  // The last owner stays one.
  await alice.page.selectOption(`${member(alice)} ${testId("role")}`, "member");
  await alice.page.waitForSelector(`${testId("chat-info-dialog")} ${testId("form-error")}:visible >> text=owner`);
  await alice.page.click(testId("close-dialog"));

  // An admin may delete, pin and remove members.
  await bob.menu("an advertisement", "menu-delete");
  await bob.page.click(testId("confirm-delete"));
  for (const person of [alice, cleo]) await person.page.waitForSelector(`${testId("message")}[data-deleted]`);
  await alice.write("chapter four for Friday");
  await bob.sees(["chapter four for Friday"]);
  await bob.menu("chapter four for Friday", "menu-pin");
  await cleo.page.waitForSelector(`${testId("pinned-bar")} >> text=chapter four`);
  await bob.page.click(testId("chat-info"));
  assert.equal(await bob.page.locator(`${member(alice)} ${testId("remove-member")}`).count(), 0, "not the owner");
  await bob.page.click(`${member(cleo)} ${testId("remove-member")}`);
  await bob.page.click(`${member(cleo)} ${testId("remove-member")}`);
  await bob.page.waitForSelector(member(cleo), { state: "detached" });
  await cleo.page.waitForSelector(`${testId("chat-item")}[data-name="Book club, Fridays"]`, { state: "detached" });
  await bob.page.click(testId("close-dialog"));
  await bob.picture("managed");
  for (const person of [alice, bob, cleo]) await person.leave();
}

/** @param {Stage} stage */
export async function receipts(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  const cleo = await stage.person("Cleo Lindqvist");
  await alice.createGroup("Release", [bob, cleo]);
  await alice.write("out at noon?");
  await bob.open("Release");
  await bob.sees(["out at noon?"]);
  await bob.react("out at noon?", "👍");
  await cleo.page.waitForSelector(`${testId("chat-item")}[data-name="Release"]`);
  await alice.eventually(async () => {
    await alice.menu("out at noon?", "menu-receipts");
    await alice.page.waitForSelector(`${testId("receipts-dialog")} ul li`);
    await alice.page.waitForTimeout(300);
    const read = await alice.page.locator(`${testId("receipts-read")} li`).allInnerTexts();
    const delivered = await alice.page.locator(`${testId("receipts-delivered")} li`).allInnerTexts();
    if (read.length === 1 && delivered.length === 1) await alice.picture("receipts");
    await alice.page.click(testId("close-dialog"));
    return [read, delivered].map((names) => names.map((name) => name.split("\n").at(-1)));
  }, [["Bob Okafor"], ["Cleo Lindqvist"]], "who has read it");

  // One's own marks, found when the chat is opened: read by all only when all have read.
  const tick = async () => {
    await alice.page.reload();
    await alice.connected();
    await alice.message("out at noon?").waitFor();
    await alice.page.waitForTimeout(400);
    return alice.message("out at noon?").getAttribute("data-tick");
  };
  await alice.eventually(tick, "delivered", "delivered to both, read by one");
  await cleo.open("Release");
  await alice.eventually(tick, "read", "read by both");
  assert.equal(await alice.message("out at noon?", "mark").innerText(), "Read");
  for (const person of [alice, bob, cleo]) await person.leave();
}
