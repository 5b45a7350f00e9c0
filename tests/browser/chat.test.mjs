// The chat page in a real browser against a real server. Pictures go to target/browser.
import { test } from "node:test";
import { accounts, keyboardOnly, scans } from "./flows/access.mjs";
import { group, longHistory, phone } from "./flows/groups.mjs";
import { exchange, offlineSpell, outboxSurvivesReload, serverCrash, twoTabs, unreadAndMarks } from "./flows/talking.mjs";
import { suite } from "./support/suite.mjs";

const own = suite();
const timeout = 240_000;
test("registering, signing in and out, with errors next to the fields", { timeout }, () => accounts(own.stage));
test("two people write 40 messages each at once and see one order", { timeout }, () => exchange(own.stage));
test("an offline spell: both sides' messages arrive once, in one order", { timeout }, () => offlineSpell(own.stage));
test("the server is killed while both write, and comes back", { timeout }, async (context) => {
  if (own.server?.crash) await serverCrash(own.stage, own.server.crash);
  else context.skip("this server is not ours to kill");
});
test("unsent messages survive a reload", { timeout }, () => outboxSurvivesReload(own.stage));
test("a second tab takes over, the first offers to take it back", { timeout }, () => twoTabs(own.stage));
test("unread counts, replies, drafts and refused messages", { timeout }, () => unreadAndMarks(own.stage));
test("a group: three at once, one added, one leaving", { timeout }, () => group(own.stage));
test("200 messages of history by scrolling, without jumping", { timeout }, () => longHistory(own.stage));
test("phone width", { timeout }, () => phone(own.stage));
test("keyboard only", { timeout }, () => keyboardOnly(own.stage));
test("no serious accessibility findings, light and dark", { timeout }, () => scans(own.stage));
