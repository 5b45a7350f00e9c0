// Forms, keyboard, screen readers, appearance.
import assert from "node:assert/strict";
import { assertAccessible } from "../support/axe.mjs";
import { testId } from "../support/person.mjs";

/** @typedef {import("../support/stage.mjs").Stage} Stage */

/** @param {Stage} stage */
export async function accounts(stage) {
  const visitor = await stage.visitor("Vera Novak");
  const { page } = visitor;
  await page.waitForSelector(testId("login-form"));
  await page.fill(testId("username"), visitor.username);
  await page.fill(testId("password"), "not the password");
  await page.click(testId("submit"));
  await page.waitForSelector(`${testId("form-error")}:visible`);
  assert.ok((await page.innerText(testId("form-error"))).length > 5);

  await page.click(testId("to-register"));
  await page.fill(testId("username"), "v");
  await page.fill(testId("password"), "short");
  await page.click(testId("submit"));
  await page.waitForSelector(`${testId("error-username")}:visible`);
  assert.equal(await page.getAttribute(testId("username"), "aria-invalid"), "true");
  await stage.picture(page, "register-errors");

  await page.reload();
  await visitor.register();
  assert.equal(await page.innerText(testId("me")), visitor.displayName);
  await page.reload();
  await visitor.connected();
  await page.click(testId("sign-out"));
  await page.waitForSelector(testId("login-form"));
  const left = await page.evaluate(() => Object.keys(localStorage).filter((key) => key !== "switchboard.theme"));
  assert.deepEqual(left, [], "signing out leaves nothing behind");
  await visitor.signIn();
  await page.click(testId("new-chat"));
  await page.fill(testId("person"), "nobody.of.this.name");
  await page.click(testId("create-chat"));
  await page.waitForSelector(`${testId("new-chat-dialog")} ${testId("form-error")}:visible`);
  await visitor.leave();
}

/** No mouse at all. @param {Stage} stage */
export async function keyboardOnly(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  const cleo = await stage.person("Cleo Lindqvist");
  await bob.startDirect(alice);
  await bob.write("first from bob");
  await cleo.startDirect(alice);
  await cleo.write("first from cleo");
  const { page } = alice;
  await page.waitForSelector(`${testId("chat-item")}[data-name="${cleo.displayName}"]`);
  await page.waitForFunction(() => document.title.startsWith("(2)"));
  const focused = () => page.evaluate(() => {
    const element = /** @type {HTMLElement} */ (document.activeElement);
    return element.dataset.testid ?? element.className;
  });
  /** @param {string} key @param {string} wanted */
  const pressUntil = async (key, wanted) => {
    for (let presses = 0; presses < 30; presses += 1) {
      if ((await focused()) === wanted) return;
      await page.keyboard.press(key);
    }
    assert.fail(`${key} never reached ${wanted}, stopped at ${await focused()}`);
  };

  await page.keyboard.press("Tab");
  assert.equal(await focused(), "skip-link");
  await pressUntil("Tab", "chat-item");
  await page.keyboard.press("ArrowDown");
  assert.equal(await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).dataset.name), bob.displayName);
  await page.keyboard.press("Enter");
  await alice.inChat(bob.displayName);
  await pressUntil("Tab", "composer");
  await page.keyboard.type("line one");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("line two");
  await page.keyboard.press("Enter");
  await bob.open(alice.displayName);
  await bob.sees(["line one\nline two"]);
  await alice.sees(["line one\nline two"]);

  await pressUntil("Shift+Tab", "timeline");
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("ArrowUp");
  assert.match(await page.evaluate(() => document.activeElement?.textContent ?? ""), /first from bob/u);
  await stage.picture(page, "keyboard-focus");
  await page.keyboard.press("r");
  await page.waitForSelector(`${testId("replying")}:visible`);
  assert.equal(await focused(), "composer");
  await page.keyboard.press("Escape");
  await page.waitForSelector(testId("replying"), { state: "hidden" });
  await alice.inChat(bob.displayName);
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => /** @type {HTMLElement} */ (document.activeElement).dataset.testid === "chat-item");

  await pressUntil("Shift+Tab", "new-chat");
  await page.keyboard.press("Enter");
  await page.waitForSelector(testId("new-chat-dialog"));
  await page.keyboard.press("Escape");
  await page.waitForSelector(testId("new-chat-dialog"), { state: "detached" });
  assert.equal(await focused(), "new-chat");

  // New messages are spoken, in this chat and in others.
  await cleo.write("are you there?");
  await page.waitForSelector("#announcer >> text=Cleo Lindqvist in Cleo Lindqvist: are you there?", { state: "attached" });
  for (const person of [alice, bob, cleo]) await person.leave();
}

/** @param {Stage} stage */
export async function scans(stage) {
  const visitor = await stage.visitor("Alice Meyer");
  const { page } = visitor;
  const schemes = /** @type {const} */ (["light", "dark"]);
  /** @param {string} what */
  const scan = async (what) => {
    for (const colorScheme of schemes) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.waitForTimeout(300);
      await stage.picture(page, `${what}-${colorScheme}`);
      await assertAccessible(page, `${what}, ${colorScheme}`);
    }
  };
  await page.waitForSelector(testId("login-form"));
  await scan("sign-in");
  await page.click(testId("to-register"));
  await scan("register");
  await page.reload();
  await visitor.register();
  await scan("empty-list");
  const bob = await stage.person("Bob Okafor");
  const cleo = await stage.person("Cleo Lindqvist");
  await bob.createGroup("Weekend hike", [visitor, cleo]);
  await bob.write("Saturday, 8:30 at the station?");
  await cleo.open("Weekend hike");
  await cleo.sees(["Saturday, 8:30 at the station?"]);
  await cleo.write("Works for me. I bring coffee ☕");
  await bob.sees(["Works for me. I bring coffee ☕"]);
  await bob.page.hover(`${testId("message")} >> text=Works for me`);
  await bob.page.click(`${testId("message")}:has-text("Works for me") ${testId("reply")}`);
  await bob.write("Perfect. The forecast says sun until four, so let us take the ridge path and come back along the lake.");
  await page.waitForSelector(`${testId("chat-item")}[data-name="Weekend hike"] >> text=Perfect.`);
  await cleo.startDirect(visitor);
  await cleo.write("Did you see the map? https://example.org/map");
  await page.waitForSelector(`${testId("chat-item")}[data-name="Cleo Lindqvist"]`);
  await scan("chat-list");
  await visitor.open("Weekend hike");
  await visitor.write("I am in. Who has a spare rain jacket, just in case?");
  await visitor.sees(["I am in. Who has a spare rain jacket, just in case?"]);
  await scan("conversation");
  await page.click(testId("chat-info"));
  await page.waitForSelector(`${testId("members")} >> text=Bob Okafor`);
  await scan("about");
  await page.click(testId("close-dialog"));
  await page.click(testId("new-chat"));
  await page.check(testId("kind-group"), { force: true });
  await scan("new-group");
  await page.click(testId("close-dialog"));
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "no-preference" });

  // The toggle wins over the system's preference, and is remembered.
  const theme = () => page.evaluate(() => [document.documentElement.dataset.theme, getComputedStyle(document.documentElement).colorScheme]);
  await page.click(testId("theme"));
  assert.deepEqual(await theme(), ["light", "light"]);
  await page.click(testId("theme"));
  assert.deepEqual(await theme(), ["dark", "dark"]);
  await page.reload();
  assert.deepEqual(await theme(), ["dark", "dark"]);
  for (const person of [visitor, bob, cleo]) await person.leave();
}
