// A conversation of 10,000 messages stays as quick as a short one.
import assert from "node:assert/strict";
import { WAIT_MS, testId } from "../support/person.mjs";
import { Stage } from "../support/stage.mjs";
import { startServer } from "../support/server.mjs";

const MESSAGES = 10_000;
const AT_ONCE = 40;
/** The page never holds more rows than this. */
const ROWS_MAX = 520;
const SETTINGS = ["sends_per_second=100000", "sends_burst=100000", "requests_per_second=100000", "requests_burst=100000"];

/** @param {import("node:test").TestContext} context */
export async function tenThousand(context) {
  if (!process.env.SWITCHBOARD_BIN || process.env.SWITCHBOARD_BIN.endsWith(".mjs")) return context.skip("needs a server with its own limits");
  const server = await startServer(SETTINGS.map((setting) => `limits.${setting}`));
  const stage = await Stage.open(server.url);
  try {
    await read(stage, context);
    stage.assertNoComplaints();
  } finally {
    await stage.close();
    await server.stop();
  }
  return undefined;
}

/** @param {Stage} stage @param {import("node:test").TestContext} context */
async function read(stage, context) {
  const alice = await stage.person("Alice Meyer");
  const bob = await stage.person("Bob Okafor");
  const { user_id } = await bob.session();
  const { conversation_id } = await alice.api("POST", "/v1/conversations", { kind: "direct", members: [user_id] });
  const post = (/** @type {number} */ number) =>
    (number % 3 === 0 ? bob : alice).api("POST", "/v1/messages", { conversation_id, content: { text: { text: `line ${number}` } } });
  for (let number = 1; number <= MESSAGES; number += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => post(number + index)));
  }
  const { head } = await bob.api("GET", `/v1/conversations/${conversation_id}`);
  await bob.api("POST", "/v1/read-receipt", { conversation_id, seq: head });
  const path = `/v1/conversations/${conversation_id}/messages`;
  const [oldest] = (await bob.api("GET", `${path}?after=0&limit=1`)).entries;
  const first = oldest.new_message.seq;
  await alice.api("POST", "/v1/messages", { conversation_id, content: { text: { text: "what was the first line?" } }, reply_to: first });

  await bob.page.reload();
  await bob.connected();
  await bob.open(alice.displayName);
  await bob.message("what was the first line?").waitFor();
  await bob.page.waitForSelector(testId("quote"));

  // All the way up by the quote, through every page.
  let started = Date.now();
  await bob.page.click(testId("quote"));
  await bob.page.waitForFunction((seq) => /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.seq === String(seq), first, { timeout: WAIT_MS });
  const jumpMs = Date.now() - started;
  const rows = () => bob.page.locator(testId("message")).count();
  assert.ok((await rows()) <= ROWS_MAX, `${await rows()} rows after the jump`);

  // Scrolling with everything in memory: the rows stay few, and frames short.
  const frames = await bob.page.evaluate(async (selector) => {
    const timeline = /** @type {HTMLElement} */ (document.querySelector(selector));
    const gaps = [];
    let last = performance.now();
    for (let step = 0; step < 240; step += 1) {
      timeline.scrollTop += 400;
      await new Promise((resolve) => requestAnimationFrame(resolve));
      const now = performance.now();
      gaps.push(now - last);
      last = now;
    }
    gaps.sort((a, b) => a - b);
    return { median: gaps[120], p95: gaps[228], max: gaps[239], nodes: document.querySelectorAll("*").length };
  }, testId("timeline"));
  assert.ok((await rows()) <= ROWS_MAX, `${await rows()} rows while scrolling`);
  assert.ok(frames.nodes < 12_000, `${frames.nodes} elements`);

  // A live message with all of it held is as cheap as ever.
  started = Date.now();
  await bob.page.click(testId("jump"));
  await bob.message("what was the first line?").waitFor();
  const latestMs = Date.now() - started;
  started = Date.now();
  await bob.write("here it is");
  await bob.message("here it is").waitFor();
  const sendMs = Date.now() - started;
  await bob.picture("ten-thousand");
  context.diagnostic(`jump over ${MESSAGES}: ${jumpMs} ms; frames: median ${frames.median.toFixed(1)}, p95 ${frames.p95.toFixed(1)}, max ${frames.max.toFixed(1)} ms; ${frames.nodes} elements; back to the latest ${latestMs} ms; a message shown after ${sendMs} ms`);
  assert.ok(frames.median < 100, `frames of ${frames.median} ms`);
  for (const person of [alice, bob]) await person.leave();
}
