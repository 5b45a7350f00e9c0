import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const source = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/**
 * No serious or critical finding of axe-core on the page as it is now.
 * @param {import("playwright-core").Page} page
 * @param {string} what
 */
export async function assertAccessible(page, what) {
  await page.evaluate(source);
  const violations = await page.evaluate(async () => {
    // @ts-expect-error axe was just put there.
    const result = await window.axe.run(document, { resultTypes: ["violations"] });
    return result.violations
      .filter((/** @type {any} */ one) => one.impact === "serious" || one.impact === "critical")
      .map((/** @type {any} */ one) => `${one.id}: ${one.nodes.map((/** @type {any} */ node) => `${node.html} ${node.failureSummary}`).slice(0, 3).join(" | ")}`);
  });
  assert.deepEqual(violations, [], `axe-core on ${what}`);
}
