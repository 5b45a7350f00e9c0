// The chat page in a real browser against a real server. Pictures go to target/browser.
import { after, afterEach, before, test } from "node:test";
import { accounts, keyboardOnly, scans } from "./flows/access.mjs";
import { group, longHistory, phone } from "./flows/groups.mjs";
import { exchange, offlineSpell, outboxSurvivesReload, serverCrash, twoTabs, unreadAndMarks } from "./flows/talking.mjs";
import { startServer } from "./support/server.mjs";
import { Stage } from "./support/stage.mjs";

/** @type {Awaited<ReturnType<typeof startServer>> | undefined} */
let server;
/** @type {Stage} */
let stage;

before(async () => {
  server = await startServer();
  stage = await Stage.open(server.url);
});

after(async () => {
  await stage?.close();
  await server?.stop();
});

afterEach(() => stage.assertNoComplaints());

const timeout = 240_000;
test("registering, signing in and out, with errors next to the fields", { timeout }, () => accounts(stage));
test("two people write 40 messages each at once and see one order", { timeout }, () => exchange(stage));
test("an offline spell: both sides' messages arrive once, in one order", { timeout }, () => offlineSpell(stage));
test("the server is killed while both write, and comes back", { timeout }, async (context) => {
  if (server?.crash) await serverCrash(stage, server.crash);
  else context.skip("this server is not ours to kill");
});
test("unsent messages survive a reload", { timeout }, () => outboxSurvivesReload(stage));
test("a second tab takes over, the first offers to take it back", { timeout }, () => twoTabs(stage));
test("unread counts, replies, drafts and refused messages", { timeout }, () => unreadAndMarks(stage));
test("a group: three at once, one added, one leaving", { timeout }, () => group(stage));
test("200 messages of history by scrolling, without jumping", { timeout }, () => longHistory(stage));
test("phone width", { timeout }, () => phone(stage));
test("keyboard only", { timeout }, () => keyboardOnly(stage));
test("no serious accessibility findings, light and dark", { timeout }, () => scans(stage));
