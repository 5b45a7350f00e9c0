// What is one's own on all devices, threads, and messages with more to them, in a real browser against a real server.
import { test } from "node:test";
import { apart, blocking, holding, later, privacy, sharedDrafts } from "./flows/own.mjs";
import { describing, inviting } from "./flows/rooms.mjs";
import { deletingForOneself, disappearing, forwarding, jumpingToADay, mentions, previews } from "./flows/saying.mjs";
import { threads } from "./flows/threads.mjs";
import { suite } from "./support/suite.mjs";

const own = suite();
const timeout = 240_000;
test("muting, archiving and pinning chats, on both devices", { timeout }, () => holding(own.stage));
test("a draft goes from device to device, and goes with its message", { timeout }, () => sharedDrafts(own.stage));
test("a device that was away agrees with the others", { timeout }, () => apart(own.stage));
test("blocking and unblocking", { timeout }, () => blocking(own.stage));
test("who sees what of oneself", { timeout }, () => privacy(own.stage));
test("sending later: made, changed, taken back, sent", { timeout }, () => later(own.stage));
test("threads with their own unread, on a phone too", { timeout }, () => threads(own.stage));
test("mentions: completed, marked, counted; everyone", { timeout }, () => mentions(own.stage));
test("forwarding", { timeout }, () => forwarding(own.stage));
test("deleting for oneself, and the choice", { timeout }, () => deletingForOneself(own.stage));
test("messages that disappear", { timeout }, () => disappearing(own.stage));
test("jumping to a day", { timeout }, () => jumpingToADay(own.stage));
test("what is behind a link, where the server says so", { timeout }, () => previews(own.stage));
test("description, photo, who writes, how long it is kept", { timeout }, () => describing(own.stage));
test("invite links, bans", { timeout }, () => inviting(own.stage));
