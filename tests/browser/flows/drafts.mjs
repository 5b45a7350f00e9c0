// What was begun and not sent: one draft a chat, kept over a reload, gone once it is sent.
import assert from "node:assert/strict";
import { testId } from "../support/person.mjs";

/** @param {import("../support/stage.mjs").Stage} stage */
export async function drafts(stage) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  const cleo = await stage.person("Cleo Lindqvist");
  await alice.startDirect(bob);
  await alice.page.fill(testId("composer"), "for bob");
  await alice.startDirect(cleo);
  await alice.composes("");
  await alice.page.fill(testId("composer"), "for cleo");
  await alice.page.waitForSelector(`${testId("chat-item")}[data-name="Bob Okafor"] >> text=Draft: for bob`);
  await alice.page.reload();
  await alice.connected();
  await alice.composes("for cleo");
  await alice.picture("drafts");
  await alice.open(bob.displayName);
  await alice.composes("for bob");
  await alice.page.press(testId("composer"), "Enter");
  await alice.composes("");
  await alice.open(cleo.displayName);
  await alice.composes("for cleo");
  const kept = await alice.page.evaluate(() => Object.keys(localStorage).filter((key) => key.includes(".draft.")).length);
  assert.equal(kept, 1, "what was sent is no draft any more");
  await bob.open(alice.displayName);
  await bob.sees(["for bob"]);
  for (const person of [alice, bob, cleo]) await person.leave();
}
