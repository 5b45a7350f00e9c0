// Running a conversation: what it is about, who writes, links that let others in, who may not come back.
import assert from "node:assert/strict";
import { testId } from "../support/person.mjs";
import { PHONE } from "../support/stage.mjs";
import { lookAt } from "./own.mjs";

/** @typedef {import("../support/stage.mjs").Stage} Stage */
/** @typedef {import("../support/person.mjs").Person} Person */

/** @param {Person} person */
const member = (person) => `${testId("member")}[data-username="${person.username}"]`;

/** @param {Stage} stage */
export async function describing(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  await alice.createGroup("Book club", [bob]);
  await bob.open("Book club");
  /** @type {string[]} */
  const asked = [];
  bob.page.on("request", (request) => asked.push(request.url()));
  await alice.page.click(testId("chat-info"));
  await alice.page.click(testId("edit-chat"));
  await alice.page.fill(testId("edit-description"), "Fridays at eight, see https://example.org/books");
  await alice.page.fill(testId("edit-photo"), "https://pictures.example.org/club.png");
  await alice.page.click(testId("save-name"));
  await alice.page.waitForSelector(`${testId("description")} a[href="https://example.org/books"]`);
  for (const person of [alice, bob]) {
    await person.page.waitForSelector(`${testId("system")} >> text=changed the photo`, { state: "attached" });
  }
  await alice.page.fill(testId("edit-photo"), "http://insecure.example.org/x.png");
  await alice.page.click(testId("save-name"));
  await alice.page.waitForSelector(`${testId("chat-info-dialog")} :is(.field-error, .form-error):visible >> text=/https/`);
  await lookAt(alice, "describing");
  await bob.page.click(testId("chat-info"));
  await bob.page.waitForSelector(testId("description"));
  assert.equal(await bob.page.locator(testId("edit-chat")).count(), 0, "a member sets nothing");
  await bob.picture("described");
  assert.deepEqual(asked.filter((url) => url.includes("example.org")), [], "no picture of another host is loaded");
  await bob.page.click(testId("close-dialog"));

  // Only owners and admins write.
  await alice.page.selectOption(testId("set-posting"), "admins");
  await bob.page.waitForSelector(`${testId("refused")} >> text=Only owners and admins can write here`);
  assert.equal(await bob.page.isVisible(testId("composer")), false);
  await bob.picture("read-only");
  await alice.page.selectOption(testId("set-retention"), "30");
  await bob.page.waitForSelector(`${testId("system")} >> text=kept for 30 days`);
  await alice.page.selectOption(testId("set-posting"), "everyone");
  await bob.page.waitForSelector(testId("composer"));
  await alice.page.click(testId("close-dialog"));
  await alice.page.reload();
  await alice.connected();
  await alice.page.click(testId("chat-info"));
  await alice.eventually(() => alice.page.inputValue(testId("set-retention")), "30", "kept");
  for (const person of [alice, bob]) await person.leave();
}

/** @param {Stage} stage */
export async function inviting(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  const dora = await stage.person("Dora Weiss", PHONE);
  await alice.createGroup("Chess", [bob]);
  await alice.write("before you came");
  await alice.page.click(testId("chat-info"));
  await alice.page.click(testId("invite-section"));
  await alice.page.click(testId("create-invite"));
  const link = await alice.page.inputValue(testId("invite-link"));
  await alice.page.waitForSelector(testId("invite"));
  await lookAt(alice, "inviting");
  await dora.page.goto(link);
  await dora.page.waitForSelector(`${testId("join-name")} >> text=Chess`);
  await lookAt(dora, "phone-join");
  await dora.page.tap(testId("join"));
  await dora.inChat("Chess");
  for (const person of [alice, dora]) await person.page.waitForSelector(`${testId("system")} >> text=joined by an invite link`, { state: "attached" });
  assert.equal(await dora.message("before you came").count(), 0);
  await dora.write("hello from the sofa");
  await bob.open("Chess");
  await bob.sees(["hello from the sofa"]);

  // Banned: gone, and the link leads nowhere for her.
  await alice.page.click(`${member(dora)} ${testId("ban-member")}`);
  await alice.page.click(`${member(dora)} ${testId("ban-member")}`);
  await alice.page.waitForSelector(`${testId("ban")} >> text=Dora Weiss`);
  await lookAt(alice, "banned");
  await dora.page.waitForSelector(`${testId("chat-item")}[data-name="Chess"]`, { state: "detached" });
  await bob.page.waitForSelector(`${testId("system")} >> text=banned Dora Weiss`);
  await dora.page.goto("about:blank");
  await dora.page.goto(link);
  await dora.page.waitForSelector(`${testId("join-refused")}, ${testId("join")}`);
  if (await dora.page.isVisible(testId("join"))) await dora.page.tap(testId("join"));
  await dora.page.waitForSelector(testId("join-refused"));
  await dora.picture("phone-refused");
  await alice.page.click(testId("unban"));
  await alice.page.waitForSelector(testId("ban"), { state: "detached" });
  await dora.page.goto("about:blank");
  await dora.page.goto(link);
  await dora.page.tap(testId("join"));
  await dora.inChat("Chess");

  // Taken back, it lets nobody in.
  const emil = await stage.person("Emil Novak");
  await alice.page.click(testId("revoke-invite"));
  await alice.page.waitForSelector(testId("invite"), { state: "detached" });
  await emil.page.goto("about:blank");
  await emil.page.goto(link);
  await emil.page.waitForSelector(testId("join-refused"));
  for (const person of [alice, bob, dora, emil]) await person.leave();
}
