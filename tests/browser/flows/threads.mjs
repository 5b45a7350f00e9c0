// Threads: a place of their own, with their own unread.
import assert from "node:assert/strict";
import { testId } from "../support/person.mjs";
import { PHONE } from "../support/stage.mjs";
import { lookAt } from "./own.mjs";

/** @typedef {import("../support/stage.mjs").Stage} Stage */
/** @typedef {import("../support/person.mjs").Person} Person */

/** @param {Person} person @param {string} text */
async function reply(person, text) {
  await person.page.fill(testId("thread-composer"), text);
  await person.page.press(testId("thread-composer"), "Enter");
}

/** @param {Person} person */
const replies = (person) => person.page.locator(`${testId("thread-panel")} ${testId("message-text")}`).allInnerTexts();

/** @param {Stage} stage */
export async function threads(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  const cleo = await stage.person("Cleo Lindqvist");
  await alice.createGroup("Garden", [bob, cleo]);
  await alice.write("who waters the tomatoes?");
  await alice.write("and it rains on Sunday");
  const tablet = await stage.device(alice);
  const everyone = [alice, tablet, bob, cleo];
  for (const person of [tablet, bob, cleo]) await person.open("Garden");
  for (const person of everyone) await person.sees(["and it rains on Sunday"]);

  await bob.menu("who waters the tomatoes?", "menu-thread");
  await bob.page.waitForSelector(`${testId("thread-root")} >> text=who waters the tomatoes?`);
  await reply(bob, "I do on Monday");
  await reply(bob, "and Tuesday");
  for (const person of everyone) await person.message("who waters the tomatoes?", "thread").getByText("2 replies").waitFor();
  for (const person of everyone) {
    const main = await person.page.locator(`${testId("timeline")} ${testId("message-text")}`).allInnerTexts();
    assert.deepEqual(main, ["who waters the tomatoes?", "and it rains on Sunday"], "replies stand in their thread");
  }

  // Alice asked, so it is unread for her, on both devices; Cleo does not follow it.
  for (const person of [alice, tablet]) {
    assert.equal(await person.message("who waters the tomatoes?", "thread-unread").innerText(), "2 new");
    await person.page.waitForSelector(`${testId("threads-unread")} >> text=2`);
  }
  assert.equal(await cleo.message("who waters the tomatoes?", "thread-unread").count(), 0);
  await alice.page.click(testId("threads-button"));
  await alice.page.waitForSelector(testId("thread-item"));
  await lookAt(alice, "threads-list");
  await alice.page.click(testId("thread-item"));
  await alice.eventually(() => replies(alice), ["I do on Monday", "and Tuesday"], "the replies");
  for (const person of [alice, tablet]) await person.message("who waters the tomatoes?", "thread-unread").waitFor({ state: "detached" });
  await reply(alice, "thank you, Bob");
  await bob.eventually(() => replies(bob), ["I do on Monday", "and Tuesday", "thank you, Bob"], "the answer");
  await bob.react("thank you, Bob", "❤️");
  await alice.eventually(() => alice.reactions("thank you, Bob"), ["❤️1"], "a reaction in the thread");
  await lookAt(alice, "thread");

  // Cleo follows it from now on; Bob leaves it, and is back by replying.
  await cleo.message("who waters the tomatoes?", "thread").click();
  await cleo.page.waitForSelector(`${testId("follow-thread")} >> text=/^Follow$/`);
  await cleo.page.click(testId("follow-thread"));
  await cleo.page.waitForSelector(`${testId("follow-thread")} >> text=Following`);
  await lookAt(cleo, "thread-followed");
  await cleo.page.click(testId("close-thread"));
  await bob.page.click(testId("follow-thread"));
  await bob.page.waitForSelector(`${testId("follow-thread")} >> text=/^Follow$/`);
  await bob.page.click(testId("close-thread"));
  await reply(alice, "and Wednesday?");
  await cleo.eventually(() => cleo.message("who waters the tomatoes?", "thread-unread").innerText(), "1 new", "for who follows");
  assert.equal(await bob.message("who waters the tomatoes?", "thread-unread").count(), 0, "none for who left");

  // After a reload, from history.
  await tablet.page.reload();
  await tablet.connected();
  await tablet.message("who waters the tomatoes?", "thread").click();
  await tablet.eventually(() => replies(tablet), ["I do on Monday", "and Tuesday", "thank you, Bob", "and Wednesday?"], "read again");
  await tablet.page.keyboard.press("Escape");
  await tablet.page.waitForSelector(testId("thread-panel"), { state: "hidden" });

  const phone = await stage.device(bob, PHONE);
  await phone.page.tap(`${testId("chat-item")}[data-name="Garden"]`);
  await phone.message("who waters the tomatoes?", "thread").tap();
  await phone.eventually(async () => (await replies(phone)).length, 4, "on a phone");
  const widths = await phone.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(widths[0] <= widths[1], `wider than the phone: ${widths}`);
  await lookAt(phone, "phone-thread");
  await phone.page.tap(testId("close-thread"));
  await phone.picture("phone-thread-button");
  for (const person of [...everyone, phone]) await person.leave();
}
