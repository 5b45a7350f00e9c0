import assert from "node:assert/strict";
import { test } from "node:test";
import { SwitchboardClient, SwitchboardError, memorySession } from "../src/index.js";
import { DEVICE, ME } from "./support/entries.mjs";

const clock = {
  now: () => Date.now(),
  setTimeout: (/** @type {() => void} */ callback) => setTimeout(callback, 0),
  clearTimeout: (/** @type {any} */ timer) => clearTimeout(timer),
};

/** @param {((url: string, init: any) => { status: number, body?: any })} respond @param {number} [expiresInMs] */
function makeClient(respond, expiresInMs = 900_000) {
  const session = memorySession();
  session.save({
    user_id: ME, device_id: DEVICE, access_token: "first", refresh_token: "refresh-1",
    expires_at: Date.now() + expiresInMs,
  });
  /** @type {{ url: string, init: any }[]} */
  const calls = [];
  const client = new SwitchboardClient({
    baseUrl: "http://chat.test",
    session,
    clock,
    fetch: async (url, init) => {
      calls.push({ url: String(url), init });
      const { status, body } = respond(String(url), init);
      return new Response(body === undefined ? null : JSON.stringify(body), { status });
    },
  });
  return { client, calls, session };
}

const renewed = { user_id: ME, device_id: DEVICE, access_token: "second", refresh_token: "refresh-2", expires_in: 900 };
const problem = (/** @type {number} */ status, /** @type {string} */ code, more = {}) =>
  ({ status, body: { type: "x", title: code, status, code, detail: `${code}!`, trace_id: "t1", temporary: false, ...more } });

test("a problem becomes a typed error with its fields", async () => {
  const errors = [{ field: "username", message: "too short" }];
  const { client } = makeClient(() => problem(422, "invalid_field", { errors }));
  await assert.rejects(client.register({ username: "a", password: "b" }), (error) => {
    assert.ok(error instanceof SwitchboardError);
    assert.equal(error.code, "invalid_field");
    assert.equal(error.message, "invalid_field!");
    assert.equal(error.traceId, "t1");
    assert.deepEqual(error.fields, errors);
    return true;
  });
});

test("an expired access token is renewed once for all requests, which are then repeated", async () => {
  const { client, calls, session } = makeClient((url, init) => {
    if (url.endsWith("/refresh")) return { status: 200, body: renewed };
    if (init.headers.authorization === "Bearer first") return problem(401, "token_expired");
    return { status: 200, body: { user_id: ME } };
  });
  await Promise.all([client.api.me(), client.api.me(), client.api.user(ME)]);
  assert.equal(calls.filter(({ url }) => url.endsWith("/refresh")).length, 1);
  assert.equal(session.load()?.refresh_token, "refresh-2");
});

test("a token about to expire is renewed before it is used", async () => {
  const { client, calls } = makeClient((url) =>
    url.endsWith("/refresh") ? { status: 200, body: renewed } : { status: 200, body: {} }, 10_000);
  await client.api.me();
  assert.ok(calls[0].url.endsWith("/refresh"));
  assert.equal(calls[1].init.headers.authorization, "Bearer second");
});

test("a refused refresh token signs out", async () => {
  const { client, session } = makeClient(() => problem(401, "bad_token"), 0);
  await assert.rejects(client.api.me(), { code: "bad_token" });
  assert.equal(session.load(), null);
});

test("a network failure while renewing does not sign out", async () => {
  const { client, session } = makeClient(() => {
    throw new TypeError("fetch failed");
  }, 0);
  await assert.rejects(client.api.me(), { code: "unreachable", temporary: true });
  assert.notEqual(session.load(), null);
});

test("a repeated POST carries the same Idempotency-Key", async () => {
  let failures = 2;
  const { client, calls } = makeClient(() => {
    failures -= 1;
    return failures >= 0 ? problem(503, "overloaded", { temporary: true }) : { status: 201, body: {} };
  });
  await client.api.createConversation("group", [], "Team");
  const keys = calls.map(({ init }) => init.headers["idempotency-key"]);
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1);
  assert.ok(keys[0]);
});

test("permanent errors are not repeated", async () => {
  const { client, calls } = makeClient(() => problem(404, "not_found"));
  await assert.rejects(client.api.conversation("x"), { code: "not_found" });
  assert.equal(calls.length, 1);
});

test("an answer that is no JSON is still a typed error", async () => {
  const { client } = makeClient(() => ({ status: 502 }));
  await assert.rejects(client.login({ username: "a", password: "b" }), { code: "overloaded", status: 502 });
});
