// The mock server's REST routes.
import { Refusal } from "./refusal.mjs";
import { OWN_ROUTES } from "./rest_own.mjs";

/** @typedef {{ user_id: string, device_id: string }} Holder */
/** @typedef {{ world: import("./world.mjs").World, me: Holder, body: any, query: URLSearchParams, params: string[] }} Call */

/** @type {[string, RegExp, (call: Call) => { status?: number, body?: any }, boolean?][]} */
const ROUTES = [
  ["POST", /^\/v1\/register$/u, ({ world, body }) => {
    return { status: 201, body: world.signIn(world.register(body).user_id) };
  }, true],
  ["POST", /^\/v1\/login$/u, ({ world, body }) => {
    const user = world.byName(String(body.username));
    if (user === undefined || user.password !== body.password) {
      throw new Refusal(401, "bad_credentials", "The user name or the password is wrong.");
    }
    return { body: world.signIn(user.user_id) };
  }, true],
  ["POST", /^\/v1\/token\/refresh$/u, ({ world, body }) => {
    const holder = world.refreshTokens.get(body.refresh_token);
    if (holder === undefined) throw new Refusal(401, "bad_token", "The refresh token is not valid.");
    world.refreshTokens.delete(body.refresh_token);
    return { body: world.signIn(holder.user_id, holder.device_id) };
  }, true],
  ["POST", /^\/v1\/logout$/u, () => ({ status: 204 })],
  ["GET", /^\/v1\/users$/u, ({ world, query }) => {
    const user = world.byName(query.get("username") ?? "");
    return { body: { users: user ? [world.userView(user.user_id)] : [] } };
  }],
  ["GET", /^\/v1\/users\/me$/u, ({ world, me }) => ({
    body: { ...world.userView(me.user_id), created_at: 0, device_id: me.device_id },
  })],
  ["GET", /^\/v1\/users\/([^/]+)\/conversations$/u, ({ world, me }) => ({
    body: { conversations: world.chatList(me.user_id) },
  })],
  ["GET", /^\/v1\/users\/([^/]+)$/u, ({ world, params }) => ({ body: world.userView(params[0]) })],
  ["POST", /^\/v1\/conversations$/u, ({ world, me, body }) => {
    const { created, conversation } = world.createConversation(me.user_id, body);
    return { status: created ? 201 : 200, body: world.view(conversation) };
  }],
  ["GET", /^\/v1\/conversations\/([^/]+)$/u, ({ world, me, params }) => ({
    body: world.view(world.readable(me.user_id, params[0])),
  })],
  ["PATCH", /^\/v1\/conversations\/([^/]+)$/u, ({ world, me, params, body }) => ({
    body: world.view(world.rooms.change(me.user_id, params[0], body)),
  })],
  ["POST", /^\/v1\/conversations\/([^/]+)\/members$/u, ({ world, me, params, body }) => ({
    body: world.view(world.addMembers(me.user_id, params[0], body.members)),
  })],
  ["DELETE", /^\/v1\/conversations\/([^/]+)\/members$/u, ({ world, me, params, body }) => {
    world.removeMembers(me.user_id, params[0], body.members);
    return { status: 204 };
  }],
  ["GET", /^\/v1\/conversations\/([^/]+)\/messages$/u, ({ world, me, params, query }) => ({
    body: world.page(me.user_id, params[0], Object.fromEntries(query)),
  })],
  ["POST", /^\/v1\/read-receipt$/u, ({ world, me, body }) => {
    const { conversation_id, seq, thread } = body;
    if (thread) world.own.readThread(me.user_id, conversation_id, thread, seq, me.device_id);
    else world.markRead(me.user_id, conversation_id, seq);
    return { status: 204 };
  }],
  ["POST", /^\/v1\/messages$/u, ({ world, me, body }) => {
    const sent = world.send(me.user_id, body, null);
    const { message_id, conversation_id, seq, sent_at } = sent.body;
    return { status: 201, body: { message_id, conversation_id, seq, sent_at, duplicate: sent.duplicate } };
  }],
  ...OWN_ROUTES,
];

/**
 * @param {import("./world.mjs").World} world
 * @param {{ method: string, url: URL, token: string, body: any }} request
 * @returns {{ status: number, type: string, body: any }}
 */
export function answer(world, { method, url, token, body }) {
  try {
    for (const [routeMethod, pattern, handler, open] of ROUTES) {
      const match = routeMethod === method ? pattern.exec(url.pathname) : null;
      if (match === null) continue;
      const me = open ? { user_id: "", device_id: "" } : world.holder(token);
      const { status = 200, body: value } = handler({
        world, me, body: body ?? {}, query: url.searchParams, params: match.slice(1),
      });
      return { status, type: "application/json", body: value };
    }
    throw new Refusal(404, "not_found", "No such route.");
  } catch (error) {
    if (error instanceof Refusal) return problem(error);
    throw error;
  }
}

/** @param {Refusal} refusal */
function problem(refusal) {
  const { status, code, message, temporary, more } = refusal;
  const body = { type: `/problems/${code}`, title: code, status, code, detail: message, trace_id: "mock", temporary, ...more };
  return { status, type: "application/problem+json", body };
}
