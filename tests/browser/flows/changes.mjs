// What becomes of messages: two people, one of them on two devices.
import assert from "node:assert/strict";
import { assertAccessible } from "../support/axe.mjs";
import { testId } from "../support/person.mjs";
import { PHONE } from "../support/stage.mjs";

/** @typedef {import("../support/stage.mjs").Stage} Stage */
/** @typedef {import("../support/person.mjs").Person} Person */

/** Alice on two devices and Bob, in one chat. @param {Stage} stage @param {string[]} texts Alice's */
async function scene(stage, texts) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  await alice.startDirect(bob);
  for (const text of texts) await alice.write(text);
  await alice.sees(texts);
  const tablet = await stage.device(alice);
  await tablet.open(bob.displayName);
  await bob.open(alice.displayName);
  for (const person of [tablet, bob]) await person.sees(texts);
  const everyone = [alice, tablet, bob];
  return { alice, tablet, bob, everyone, leave: () => Promise.all(everyone.map((person) => person.leave())) };
}

/** @param {Stage} stage */
export async function editing(stage) {
  const { alice, tablet, bob, everyone, leave } = await scene(stage, ["helo there", "second"]);
  await alice.page.fill(testId("composer"), "half a thought");
  await alice.menu("helo there", "menu-edit");
  await alice.composes("helo there");
  await alice.picture("editing");
  await alice.write("hello there");
  for (const person of everyone) await person.message("hello there", "edited").waitFor();
  // The draft comes back.
  await alice.composes("half a thought");

  // The draft is on the other device, too; there it is given up.
  await tablet.composes("half a thought");
  await tablet.page.fill(testId("composer"), "");
  await alice.composes("");

  // The arrow key takes the newest of one's own; Escape gives up.
  await tablet.page.press(testId("composer"), "ArrowUp");
  await tablet.composes("second");
  await tablet.page.keyboard.press("Escape");
  await tablet.composes("");
  await tablet.page.press(testId("composer"), "ArrowUp");
  await tablet.composes("second");
  await tablet.write("second, better");
  for (const person of everyone) await person.message("second, better").waitFor();

  // Nobody edits what others wrote.
  await bob.menu("hello there");
  assert.equal(await bob.page.locator(testId("menu-edit")).count(), 0);
  await bob.page.keyboard.press("Escape");
  await bob.menu("hello there", "menu-history");
  await bob.page.waitForSelector(testId("version"));
  const versions = await bob.page.locator(`${testId("version")} p`).allInnerTexts();
  assert.deepEqual(versions, ["hello there", "helo there"]);
  await bob.picture("edit-history");
  await bob.page.click(testId("close-dialog"));

  // It is the same after a reload, from history.
  await bob.page.reload();
  await bob.connected();
  await bob.message("hello there", "edited").waitFor();
  await leave();
}

/** @param {Stage} stage */
export async function deleting(stage) {
  const { alice, bob, everyone, leave } = await scene(stage, ["keep me", "take me back", "and me"]);
  await bob.menu("take me back");
  assert.equal(await bob.page.locator(testId("menu-delete")).count(), 0, "nobody deletes what others wrote to them");
  await bob.page.keyboard.press("Escape");
  await bob.message("take me back").locator(".bubble").hover();
  await bob.message("take me back", "reply").click();
  await bob.write("an answer to it");
  await alice.page.waitForSelector(`${testId("quote")} >> text=take me back`);

  await alice.menu("take me back", "menu-delete");
  await alice.page.click(testId("confirm-delete"));
  const gone = `${testId("message")}[data-deleted]`;
  for (const person of everyone) {
    await person.page.waitForSelector(gone);
    assert.equal(await person.message("take me back").count(), 0);
    await person.page.waitForSelector(`${testId("quote")} >> text=This message was deleted`);
  }
  await alice.page.hover(gone);
  assert.equal(await alice.page.locator(`${gone} ${testId("more")}`).count(), 0, "nothing can be done to it");
  await bob.page.reload();
  await bob.connected();
  await bob.page.waitForSelector(gone);
  assert.equal(await bob.message("take me back").count(), 0);
  await bob.picture("deleted");
  await leave();
}

/** @param {Stage} stage */
export async function reacting(stage) {
  const { alice, tablet, bob, everyone, leave } = await scene(stage, ["who brings cake?"]);
  const text = "who brings cake?";
  await bob.react(text, "👍");
  for (const person of [alice, tablet]) await person.eventually(() => person.reactions(text), ["👍1"], "bob's thumb");
  await alice.message(text, "reaction").click();
  await alice.eventually(() => alice.reactions(text), ["👍2 own"], "own thumb");
  for (const person of everyone) await person.eventually(() => person.reactions(text), [person === bob || person.username === alice.username ? "👍2 own" : ""], "two thumbs");
  assert.equal(await bob.message(text, "reaction").getAttribute("title"), "You and Alice Meyer");
  await bob.message(text, "reaction").click();
  for (const person of [alice, tablet]) await person.eventually(() => person.reactions(text), ["👍1 own"], "bob took his back");

  // The picker has more of them.
  await tablet.message(text).locator(".bubble").hover();
  await tablet.message(text, "react").click();
  await tablet.page.waitForSelector(testId("emoji-picker"));
  await assertAccessible(tablet.page, "the emoji picker");
  await tablet.picture("emoji-picker");
  await tablet.page.click(`${testId("emoji-picker")} [data-emoji="🎂"]`);
  for (const person of everyone) await person.eventually(async () => (await person.reactions(text)).length, 2, "a cake");

  // Offline it is shown at once and sent later.
  await bob.context.setOffline(true);
  await bob.status("waiting");
  await bob.react(text, "❤️");
  await bob.eventually(async () => (await bob.reactions(text)).includes("❤️1 own"), true, "shown offline");
  await bob.page.reload().catch(() => {});
  await bob.context.setOffline(false);
  await bob.page.goto(stage.url);
  await bob.connected();
  for (const person of [alice, tablet]) await person.eventually(async () => (await person.reactions(text)).includes("❤️1"), true, "sent later");
  await bob.open(alice.displayName);
  await bob.eventually(async () => (await bob.reactions(text)).length, 3, "all three");
  await alice.picture("reactions");
  await leave();
}

/** @param {Stage} stage */
export async function pinning(stage) {
  const { alice, tablet, bob, everyone, leave } = await scene(stage, ["the address is 12 Elm Street", "something else"]);
  await bob.menu("the address is 12 Elm Street", "menu-pin");
  for (const person of everyone) await person.page.waitForSelector(`${testId("pinned-bar")} >> text=12 Elm Street`);
  for (let number = 1; number <= 30; number += 1) await alice.write(`filling line ${number}`);
  for (const person of everyone) await person.sees(["filling line 30"]);
  await bob.page.click(testId("pinned-bar"));
  await bob.page.waitForFunction(() => document.activeElement?.textContent?.includes("12 Elm Street"));
  assert.ok(await bob.page.locator(testId("jump")).isVisible());
  await bob.picture("pinned");
  await tablet.menu("the address is 12 Elm Street", "menu-pin");
  for (const person of everyone) await person.page.waitForSelector(testId("pinned-bar"), { state: "hidden" });
  await leave();
}

/** Answers lead to what they answer, also when that is long ago. @param {Stage} stage */
export async function replying(stage) {
  const { alice, bob, leave } = await scene(stage, ["the first question"]);
  const { conversations } = await bob.api("GET", `/v1/users/${(await bob.session()).user_id}/conversations`);
  const [{ conversation_id }] = conversations;
  for (let number = 1; number <= 120; number += 1) {
    await alice.api("POST", "/v1/messages", { conversation_id, content: { text: { text: `talk ${number}` } } });
  }
  const seq = await bob.message("the first question").getAttribute("data-seq");
  await bob.api("POST", "/v1/messages", { conversation_id, content: { text: { text: "the late answer" } }, reply_to: Number(seq) });
  await bob.page.reload();
  await bob.connected();
  await bob.page.waitForSelector(`${testId("quote")} >> text=the first question`);
  await bob.page.click(testId("quote"));
  await bob.page.waitForFunction(() => document.activeElement?.textContent?.includes("the first question"));
  await bob.picture("quoted");
  await bob.page.click(testId("jump"));
  await bob.message("the late answer").waitFor();
  await leave();
}

/** Pages of nothing but changes hide no messages. @param {Stage} stage */
export async function manyChanges(stage) {
  const { alice, bob, leave } = await scene(stage, ["first of all", "much discussed"]);
  const { conversations } = await bob.api("GET", `/v1/users/${(await bob.session()).user_id}/conversations`);
  const [{ conversation_id }] = conversations;
  const seq = await bob.message("much discussed").getAttribute("data-seq");
  const path = `/v1/conversations/${conversation_id}/messages/${seq}`;
  for (let number = 0; number < 65; number += 1) {
    await bob.api(number % 2 === 0 ? "PUT" : "DELETE", `${path}/reactions/%F0%9F%8E%89`);
    await alice.api("PATCH", path, { content: { text: { text: `much discussed, version ${number}` } } });
  }
  for (const person of [alice, bob]) {
    await person.page.reload();
    await person.connected();
    await person.sees(["first of all", "much discussed, version 64"]);
    await person.eventually(async () => (await person.reactions("much discussed, version 64")).map((one) => one.slice(0, 3)), ["🎉1"], "one reaction is left");
    assert.equal((await person.messages()).length, 2);
  }
  await leave();
}

/** @param {Stage} stage */
export async function menuByKeys(stage) {
  const { alice, bob, leave } = await scene(stage, ["with the keyboard", "mine"]);
  const { page } = alice;
  await page.focus(testId("timeline"));
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("Enter");
  await page.waitForSelector(testId("message-menu"));
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.waitForTimeout(200);
    await assertAccessible(page, `the message menu, ${colorScheme}`);
    await alice.picture(`message-menu-${colorScheme}`);
  }
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await alice.eventually(() => alice.reactions("with the keyboard"), ["❤️1 own"], "reacted by keys");
  assert.match(await page.evaluate(() => document.activeElement?.className ?? ""), /message/u, "the focus is back");
  await page.keyboard.press("e");
  await alice.composes("with the keyboard");
  await page.keyboard.press("Escape");
  await alice.composes("");
  await bob.eventually(() => bob.reactions("with the keyboard"), ["❤️1"], "told to bob");
  await leave();
}

/** @param {Stage} stage */
export async function byThumb(stage) {
  const alice = await stage.person("Alice Meyer", PHONE);
  const bob = await stage.person("Bob Okafor");
  await bob.startDirect(alice);
  await bob.write("hold me");
  await alice.page.tap(`${testId("chat-item")}[data-name="${bob.displayName}"]`);
  await alice.sees(["hold me"]);
  const box = await alice.message("hold me").locator(".bubble").boundingBox();
  assert.ok(box !== null);
  const client = await alice.context.newCDPSession(alice.page);
  const touchPoints = [{ x: box.x + box.width / 2, y: box.y + box.height / 2 }];
  await client.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints });
  await alice.page.waitForSelector(testId("message-menu"));
  await client.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  await alice.page.waitForTimeout(300);
  assert.ok(await alice.page.isVisible(testId("message-menu")), "letting go keeps the menu open");
  await alice.picture("phone-menu");
  const sizes = await alice.page.locator(`${testId("message-menu")} button`).evaluateAll((all) => all.map((one) => one.getBoundingClientRect().height));
  assert.ok(sizes.every((height) => height >= 40), `large enough for a thumb: ${sizes}`);
  await alice.page.tap(`${testId("message-menu")} [data-emoji="😂"]`);
  await bob.eventually(() => bob.reactions("hold me"), ["😂1"], "reacted by thumb");
  const widths = await alice.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(widths[0] <= widths[1], `wider than the phone: ${widths}`);
  await alice.picture("phone-reacted");
  for (const person of [alice, bob]) await person.leave();
}
