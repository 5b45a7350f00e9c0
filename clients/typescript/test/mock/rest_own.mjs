// The mock server's REST routes of what is one's own, of bans, invites and link previews.

import { Refusal } from "./refusal.mjs";

/** @typedef {import("./rest.mjs").Call} Call */

/** @type {[string, RegExp, (call: Call) => { status?: number, body?: any }][]} */
export const OWN_ROUTES = [
  ["GET", /^\/v1\/users\/me\/settings$/u, ({ world, me }) => ({ body: world.own.settingsOf(me.user_id) })],
  ["PATCH", /^\/v1\/users\/me\/settings$/u, ({ world, me, body }) => ({ body: world.own.changeSettings(me.user_id, body, me.device_id) })],
  ["GET", /^\/v1\/users\/me\/conversations\/([^/]+)$/u, ({ world, me, params }) => ({ body: world.own.conversation(me.user_id, params[0]) })],
  ["PATCH", /^\/v1\/users\/me\/conversations\/([^/]+)$/u, ({ world, me, params, body }) => ({
    body: world.own.hold(me.user_id, params[0], body, me.device_id),
  })],
  ["PUT", /^\/v1\/users\/me\/conversations\/([^/]+)\/draft$/u, ({ world, me, params, body }) => ({
    body: world.own.saveDraft(me.user_id, params[0], body, me.device_id),
  })],
  ["DELETE", /^\/v1\/conversations\/([^/]+)\/messages\/(\d+)$/u, ({ world, me, params }) => {
    world.own.hide(me.user_id, params[0], Number(params[1]), me.device_id);
    return { status: 204 };
  }],
  ["GET", /^\/v1\/blocks$/u, ({ world, me }) => ({
    body: { blocked: [...(world.own.blocked.get(me.user_id) ?? [])].map((id) => world.userView(id)) },
  })],
  ["PUT", /^\/v1\/blocks\/([^/]+)$/u, ({ world, me, params }) => {
    world.own.block(me.user_id, params[0], true, me.device_id);
    return { status: 204 };
  }],
  ["DELETE", /^\/v1\/blocks\/([^/]+)$/u, ({ world, me, params }) => {
    world.own.block(me.user_id, params[0], false, me.device_id);
    return { status: 204 };
  }],
  ["GET", /^\/v1\/scheduled$/u, ({ world, me }) => ({ body: { scheduled: world.own.scheduledOf(me.user_id) } })],
  ["POST", /^\/v1\/scheduled$/u, ({ world, me, body }) => ({ status: 201, body: world.own.schedule(me.user_id, body) })],
  ["PATCH", /^\/v1\/scheduled\/([^/]+)$/u, ({ world, me, params, body }) => ({ body: world.own.reschedule(me.user_id, params[0], body) })],
  ["DELETE", /^\/v1\/scheduled\/([^/]+)$/u, ({ world, me, params }) => {
    world.own.cancel(me.user_id, params[0]);
    return { status: 204 };
  }],
  ["GET", /^\/v1\/conversations\/([^/]+)\/threads$/u, ({ world, me, params, query }) => ({
    body: world.own.threads(me.user_id, params[0], { before: Number(query.get("before") ?? Infinity), limit: Number(query.get("limit") ?? 20) }),
  })],
  ["PUT", /^\/v1\/conversations\/([^/]+)\/threads\/(\d+)\/follow$/u, ({ world, me, params }) => {
    world.own.followThread(me.user_id, params[0], Number(params[1]), true, me.device_id);
    return { status: 204 };
  }],
  ["DELETE", /^\/v1\/conversations\/([^/]+)\/threads\/(\d+)\/follow$/u, ({ world, me, params }) => {
    world.own.followThread(me.user_id, params[0], Number(params[1]), false, me.device_id);
    return { status: 204 };
  }],
  ["GET", /^\/v1\/conversations\/([^/]+)\/threads\/(\d+)\/messages$/u, ({ world, me, params, query }) => ({
    body: world.own.threadPage(me.user_id, params[0], Number(params[1]), Object.fromEntries(query)),
  })],
  ["GET", /^\/v1\/conversations\/([^/]+)\/bans$/u, ({ world, me, params }) => ({ body: { bans: world.rooms.bansOf(me.user_id, params[0]) } })],
  ["PUT", /^\/v1\/conversations\/([^/]+)\/bans\/([^/]+)$/u, ({ world, me, params }) => {
    world.rooms.ban(me.user_id, params[0], params[1], true);
    return { status: 204 };
  }],
  ["DELETE", /^\/v1\/conversations\/([^/]+)\/bans\/([^/]+)$/u, ({ world, me, params }) => {
    world.rooms.ban(me.user_id, params[0], params[1], false);
    return { status: 204 };
  }],
  ["GET", /^\/v1\/conversations\/([^/]+)\/invites$/u, ({ world, me, params }) => ({ body: { invites: world.rooms.invitesOf(me.user_id, params[0]) } })],
  ["POST", /^\/v1\/conversations\/([^/]+)\/invites$/u, ({ world, me, params, body }) => ({
    status: 201, body: world.rooms.createInvite(me.user_id, params[0], body),
  })],
  ["DELETE", /^\/v1\/conversations\/([^/]+)\/invites\/([^/]+)$/u, ({ world, me, params }) => {
    world.rooms.revoke(me.user_id, params[0], params[1]);
    return { status: 204 };
  }],
  ["GET", /^\/v1\/link-preview$/u, ({ query }) => {
    const url = query.get("url") ?? "";
    if (!URL.canParse(url)) throw new Refusal(422, "invalid_field", "url: no such address");
    if (!url.includes("preview")) throw new Refusal(404, "not_found", "Nothing is there.");
    return { body: { url, title: "A page <b>worth</b> reading", description: "What it says of itself.", image_url: "https://pictures.example.org/a.png", site_name: "Example" } };
  }],
  ["GET", /^\/v1\/invites\/([^/]+)$/u, ({ world, me, params }) => ({ body: world.rooms.preview(me.user_id, params[0]) })],
  ["POST", /^\/v1\/invites\/([^/]+)\/join$/u, ({ world, me, params }) => ({ body: world.view(world.rooms.join(me.user_id, params[0])) })],
];
