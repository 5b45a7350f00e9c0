// What becomes of messages, and of people, in a real browser against a real server.
import { after, afterEach, before, test } from "node:test";
import { appearance } from "./flows/appearance.mjs";
import { byThumb, deleting, editing, manyChanges, menuByKeys, pinning, reacting, replying } from "./flows/changes.mjs";
import { drafts } from "./flows/drafts.mjs";
import { tenThousand } from "./flows/long.mjs";
import { receipts, roles } from "./flows/managing.mjs";
import { presence, searching, statuses, typing, withoutSearch } from "./flows/people.mjs";
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
test("editing: on all devices, with its history, the draft kept", { timeout }, () => editing(stage));
test("deleting for everyone, and what answers it", { timeout }, () => deleting(stage));
test("reacting: counts, names, taking back, the picker, offline", { timeout }, () => reacting(stage));
test("pinning, and going there", { timeout }, () => pinning(stage));
test("an answer leads to what it answers, over several pages", { timeout }, () => replying(stage));
test("pages of nothing but changes", { timeout }, () => manyChanges(stage));
test("a message's menu by keyboard, light and dark", { timeout }, () => menuByKeys(stage));
test("a message's menu by thumb", { timeout }, () => byThumb(stage));
test("roles: who may delete, pin and remove", { timeout }, () => roles(stage));
test("who has read a message, and one's own marks", { timeout }, () => receipts(stage));
test("who is typing", { timeout }, () => typing(stage));
test("who is there, and was last", { timeout }, () => presence(stage));
test("marks move by themselves; read here is read there", { timeout }, () => statuses(stage));
test("search, with the words marked, and going there", { timeout }, () => searching(stage));
test("no search on this server, no way to it", { timeout }, () => withoutSearch(stage));
test("a draft for each chat, kept over a reload", { timeout }, () => drafts(stage));
test("a lively group in light, dark and on a phone", { timeout }, () => appearance(stage));
test("10,000 messages", { timeout }, tenThousand);
