import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { renderVendoredCodec, vendoredPath } from "../scripts/vendor.mjs";

test("the vendored codec is what the locked package makes", async () => {
  const lock = JSON.parse(await readFile(new URL("../package-lock.json", import.meta.url), "utf8"));
  const vendored = await readFile(vendoredPath, "utf8");
  const { version } = lock.packages["node_modules/@msgpack/msgpack"];
  assert.ok(vendored.startsWith(`// @msgpack/msgpack ${version},`), "npm run vendor");
  assert.equal(vendored, await renderVendoredCodec(), "npm run vendor");
});

test("the lock file names no registry", async () => {
  const lock = await readFile(new URL("../package-lock.json", import.meta.url), "utf8");
  assert.doesNotMatch(lock, /"resolved"/u);
});
