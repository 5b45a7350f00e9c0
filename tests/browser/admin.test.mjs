// The page for operators, in a real browser against a real server.
import { test } from "node:test";
import { movingShards, watching } from "./flows/operating.mjs";
import { suite } from "./support/suite.mjs";

const own = suite();
const { SWITCHBOARD_URL: url, SWITCHBOARD_BIN: binary } = process.env;
// Needs the admin token of a server, which is in its data directory.
const options = { timeout: 240_000, skip: url !== undefined || binary?.endsWith(".mjs") === true };
test("what a node does: nodes, busiest conversations, mailboxes", options, async () => watching(own.stage, await own.operator()));
test("moving a shard, and a server that is alone", options, async () => movingShards(own.stage, await own.operator()));
