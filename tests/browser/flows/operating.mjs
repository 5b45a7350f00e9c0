// The page for operators: what a node does, and moving its shards.
import assert from "node:assert/strict";
import { lookAt } from "./own.mjs";

/** @typedef {import("../support/stage.mjs").Stage} Stage */
/** @typedef {import("../support/stage.mjs").Operator} Operator */

const KINDS = ["committer", "conversation", "session", "connection"];
/** A node that is gone by the time its name is clicked. */
const GONE = { node_id: "0d0d0d0d-0d0d-4d0d-8d0d-0d0d0d0d0d0d", internal: "192.0.2.7:9090" };

/** Cells of the table that is shown, row by row. @param {Operator} operator @returns {Promise<string[][]>} */
const rows = (operator) => operator.page.$$eval("#body tbody tr", (lines) =>
  lines.map((line) => [...line.querySelectorAll("td")].map((cell) => cell.textContent ?? "")));

/** @param {Operator} operator @param {string} view @param {string} title */
async function look(operator, view, title) {
  await operator.page.click(`nav [data-view="${view}"]`);
  await operator.page.waitForSelector(`#title >> text=${title}`);
}

/**
 * Refreshes until the rows are as they should be.
 * @param {Operator} operator @param {(rows: string[][]) => boolean} areRight @param {string} what
 */
async function until(operator, areRight, what) {
  let seen = await rows(operator);
  for (const deadline = Date.now() + 30_000; !areRight(seen); seen = await rows(operator)) {
    assert.ok(Date.now() < deadline, `${what}: ${JSON.stringify(seen)}`);
    await operator.page.click("#refresh");
    await operator.page.waitForTimeout(300);
  }
  return seen;
}

/** @param {Operator} operator @param {string} token */
async function enter(operator, token) {
  await operator.page.fill("#token", token);
  await operator.page.click("text=Continue");
}

/** @param {Stage} stage @param {{ url: string, token: string }} node */
export async function watching(stage, { url, token }) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  await alice.startDirect(bob);
  for (const text of ["How", "busy", "is it?"]) await alice.write(text);
  const { conversations } = await alice.api("GET", "/v1/users/me/conversations");
  const operator = await stage.operator(url);
  await enter(operator, "not the token");
  await operator.page.waitForSelector("#refused >> text=This is not the admin token.");
  await enter(operator, token);
  await until(operator, (nodes) => nodes.length === 1 && nodes[0].includes("this node"), "nodes");

  await look(operator, "conversations", "Busiest conversations");
  const isBusy = (/** @type {string[][]} */ all) =>
    all.length === 1 && all[0][0] === conversations[0].conversation_id && Number(all[0][2]) >= 3;
  const [[, shard, entries, deliveries]] = await until(operator, isBusy, "the busiest conversation");
  assert.match(shard, /^\d+$/u);
  assert.ok(Number(deliveries) > Number(entries), `two heard each of ${entries}: ${deliveries}`);
  await lookAt(operator, "admin-busiest");

  await look(operator, "actors", "Actors");
  const areThere = (/** @type {string[][]} */ all) => KINDS.every((kind) => all.some(([name]) => name === kind));
  const mailboxes = await until(operator, areThere, "mailboxes");
  for (const [kind, depth, wait, panics, restarts] of mailboxes) {
    assert.match(`${depth}, ${wait}, ${panics}, ${restarts}`, /^\d+, \d+ ms, 0, 0$/u, kind);
  }
  await lookAt(operator, "admin-mailboxes");

  await operator.page.click("#leave");
  await operator.page.waitForSelector("#token");
  assert.equal(await operator.page.isVisible("#body"), false);
  const stored = await operator.page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
  assert.ok(!stored.includes(token), "the token is kept nowhere");
  for (const each of [alice, bob, operator]) await each.leave();
}

/** @param {Stage} stage @param {{ url: string, token: string }} node */
export async function movingShards(stage, { url, token }) {
  const operator = await stage.operator(url);
  await enter(operator, token);
  await look(operator, "shards", "Shards");
  const areReady = (/** @type {string[][]} */ all) => all.length > 0 && all.every(([, , here]) => here === "ready");
  const shards = await until(operator, areReady, "shards");
  // A server that is alone says so and offers nothing.
  await operator.page.waitForSelector("#body >> text=This server is alone");
  assert.equal(await operator.page.locator("#body .actions button").count(), 0);
  await lookAt(operator, "admin-shards-alone");

  // Another node was there when the page looked.
  await operator.page.route("**/v1/nodes", async (route) => {
    const { nodes } = await (await route.fetch()).json();
    await route.fulfill({ json: { nodes: [...nodes, { ...nodes[0], ...GONE, is_this: false }] } });
  });
  await operator.page.click("#refresh");
  const move = operator.page.locator("#body .actions button");
  const last = shards.length - 1;
  await move.nth(last).waitFor();
  assert.deepEqual(await move.allTextContents(), shards.map(() => `To ${GONE.internal}`));
  /** @type {any[]} */
  const asked = [];
  operator.page.on("request", (request) => {
    if (request.url().endsWith("/v1/shards/move")) asked.push(request.postDataJSON());
  });
  await move.nth(last).click();
  await operator.page.waitForSelector(`#sure-title >> text=Move shard ${last}?`);
  await lookAt(operator, "admin-move");
  await operator.page.click("#sure >> text=Cancel");
  await operator.page.waitForSelector("#sure", { state: "hidden" });
  assert.deepEqual(asked, [], "nothing is moved without a yes");
  await move.nth(last).click();
  await operator.page.click("#sure-yes");
  await operator.page.waitForSelector("#message.bad >> text=this server is alone");
  assert.deepEqual(asked, [{ shard: last, to: GONE.node_id }]);
  await operator.picture("admin-move-refused");

  // What was tried is written down.
  await look(operator, "log", "Audit log");
  const [[, action, target]] = await until(operator, (all) => all.length === 1, "the audit log");
  assert.deepEqual([action, target], ["move shard", `shard ${last} to node ${GONE.node_id}`]);
  await operator.leave();
}
