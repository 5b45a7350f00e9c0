// A lively group in light, dark and on a phone: to be looked at, and to be scanned.
import assert from "node:assert/strict";
import { assertAccessible } from "../support/axe.mjs";
import { testId } from "../support/person.mjs";
import { PHONE } from "../support/stage.mjs";

/** @param {import("../support/stage.mjs").Stage} stage */
export async function appearance(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  const cleo = await stage.person("Cleo Lindqvist");
  await alice.createGroup("Weekend hike", [bob, cleo]);
  await alice.write("Saturday at 8:30 at the station, platform 4?");
  for (const person of [bob, cleo]) {
    await person.open("Weekend hike");
    await person.sees(["Saturday at 8:30 at the station, platform 4?"]);
  }
  await bob.react("Saturday at 8:30 at the station, platform 4?", "👍");
  await cleo.react("Saturday at 8:30 at the station, platform 4?", "👍");
  await cleo.react("Saturday at 8:30 at the station, platform 4?", "❤️");
  await alice.menu("Saturday at 8:30 at the station, platform 4?", "menu-pin");
  await bob.write("I bring coffe");
  await bob.sees(["I bring coffe"]);
  await bob.menu("I bring coffe", "menu-edit");
  await bob.composes("I bring coffe");
  await bob.write("I bring coffee ☕ and a map: https://example.org/map");
  await bob.write("wrong chat, sorry");
  await bob.sees(["wrong chat, sorry"]);
  await bob.menu("wrong chat, sorry", "menu-delete");
  await bob.page.click(testId("confirm-delete"));
  await cleo.message("I bring coffee ☕ and a map: https://example.org/map").locator(".bubble").hover();
  await cleo.message("I bring coffee ☕ and a map: https://example.org/map", "reply").click();
  await cleo.write("Lovely! The forecast says sun until four, so let us take the ridge path and come back along the lake.");
  await alice.react("Lovely! The forecast says sun until four, so let us take the ridge path and come back along the lake.", "🙏");
  await alice.write("Then it is settled");
  await alice.page.waitForSelector(`${testId("message")}[data-deleted]`);
  await alice.message("Then it is settled").and(alice.page.locator('[data-tick="read"]')).waitFor();
  const phone = await stage.device(alice, PHONE);
  await phone.page.tap(`${testId("chat-item")}[data-name="Weekend hike"]`);
  await phone.sees(["Then it is settled"]);
  await alice.message("Then it is settled").locator(".bubble").hover();
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    for (const [name, person] of /** @type {const} */ ([["lively", alice], ["lively-phone", phone]])) {
      await person.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await person.page.waitForTimeout(300);
      await person.picture(`${name}-${colorScheme}`);
      await assertAccessible(person.page, `${name}, ${colorScheme}`);
    }
  }
  const widths = await phone.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(widths[0] <= widths[1], `wider than the phone: ${widths}`);

  // A tap shows a button for those who do not hold.
  await phone.message("I bring coffee ☕ and a map: https://example.org/map").locator("time").tap();
  const more = phone.message("I bring coffee ☕ and a map: https://example.org/map", "more");
  await more.waitFor();
  const box = await more.boundingBox();
  assert.ok(box !== null && box.x + box.width <= widths[1] && box.width >= 40, "the button is on the page, large enough");
  await more.tap();
  await phone.page.waitForSelector(testId("message-menu"));
  await phone.picture("lively-phone-menu");
  await phone.page.click(testId("more-emoji"));
  await phone.page.waitForSelector(testId("emoji-picker"));
  await phone.picture("lively-phone-picker");
  await assertAccessible(phone.page, "the picker on a phone");
  for (const person of [alice, bob, cleo, phone]) await person.leave();
}
