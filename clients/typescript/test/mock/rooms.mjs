// What the mock server keeps of conversations beside their logs: settings, bans, invites.
import { randomBytes } from "node:crypto";
import { uuidV7 } from "../../src/uuid.js";
import { Refusal } from "./refusal.mjs";

/** @typedef {import("./world.mjs").World} World */
/** @typedef {import("./world.mjs").Conversation} Conversation */

const WEEK_MS = 7 * 86_400_000;

export class Rooms {
  /** @type {Map<string, Map<string, any>>} conversation → user → ban */
  banned = new Map();
  /** @type {Map<string, any>} token → invite */
  invites = new Map();

  /** @param {World} world */
  constructor(world) {
    this.world = world;
  }

  /** @param {string} userId @param {Conversation} conversation */
  #manages(userId, conversation) {
    if (conversation.members.get(userId)?.role === "member") throw new Refusal(403, "forbidden", "Owners and admins do that.");
  }

  /** @param {string} userId @param {Conversation} conversation */
  mayPost(userId, conversation) {
    const posting = conversation.settings?.posting ?? (conversation.kind === "channel" ? "admins" : "everyone");
    if (posting === "admins") this.#manages(userId, conversation);
  }

  /** @param {string} userId @param {string} id @param {any} patch */
  change(userId, id, patch) {
    const conversation = this.world.readable(userId, id);
    if (conversation.kind !== "direct") this.#manages(userId, conversation);
    if (patch.photo && !patch.photo.startsWith("https://")) {
      throw new Refusal(422, "invalid_field", "photo: an https address", { errors: [{ field: "photo", message: "an https address" }] });
    }
    const { name, ...settings } = patch;
    if (name !== undefined) conversation.name = name;
    const next = { ...conversation.settings, ...settings };
    conversation.settings = Object.fromEntries(Object.entries(next).filter(([, value]) => value !== null));
    this.world.append(conversation, "conversation_changed", userId, patch);
    return conversation;
  }

  /** @param {string} userId @param {string} id @param {string} other @param {boolean} on */
  ban(userId, id, other, on) {
    const conversation = this.world.readable(userId, id);
    this.#manages(userId, conversation);
    const bans = this.banned.get(id) ?? new Map();
    this.banned.set(id, bans);
    if (on) {
      const body = this.world.append(conversation, "members_changed", userId, { removed: [other], banned: [other] });
      bans.set(other, { user_id: other, seq: body.seq, banned_by: userId, banned_at: Date.now() });
      conversation.members.delete(other);
    } else if (bans.delete(other)) {
      this.world.append(conversation, "members_changed", userId, { unbanned: [other] });
    }
  }

  /** @param {string} userId @param {string} id */
  bansOf(userId, id) {
    this.#manages(userId, this.world.readable(userId, id));
    return [...(this.banned.get(id)?.values() ?? [])];
  }

  /** @param {string} userId @param {string} id @param {any} limits */
  createInvite(userId, id, { expires_in_ms = WEEK_MS, uses_max }) {
    this.#manages(userId, this.world.readable(userId, id));
    const token = randomBytes(16).toString("base64url");
    const invite = { invite_id: uuidV7(), conversation_id: id, created_by: userId, created_at: Date.now(), expires_at: Date.now() + expires_in_ms, uses_max, uses: 0 };
    this.invites.set(token, invite);
    return { ...invite, token, url_path: `/#/invite/${token}` };
  }

  /** @param {string} userId @param {string} id */
  invitesOf(userId, id) {
    this.#manages(userId, this.world.readable(userId, id));
    return [...this.invites.values()].filter(({ conversation_id }) => conversation_id === id);
  }

  /** @param {string} userId @param {string} id @param {string} inviteId */
  revoke(userId, id, inviteId) {
    this.#manages(userId, this.world.readable(userId, id));
    for (const [token, { invite_id }] of this.invites) if (invite_id === inviteId) this.invites.delete(token);
  }

  /** @param {string} userId @param {string} token */
  preview(userId, token) {
    const { conversation } = this.#open(userId, token);
    const { conversation_id, kind, name, settings, members } = conversation;
    const { description, photo } = settings ?? {};
    return { conversation_id, kind, name, description, photo, member_count: members.size, is_member: members.has(userId) };
  }

  /** @param {string} userId @param {string} token */
  join(userId, token) {
    const { conversation, invite } = this.#open(userId, token);
    if (!conversation.members.has(userId)) {
      conversation.members.set(userId, { role: "member", joined_after: conversation.log.length });
      invite.uses += 1;
      this.world.append(conversation, "members_changed", userId, { added: [{ user_id: userId, role: "member" }], invite_id: invite.invite_id });
    }
    return conversation;
  }

  /** @param {string} userId @param {string} token */
  #open(userId, token) {
    const invite = this.invites.get(token);
    const conversation = this.world.conversations.get(invite?.conversation_id);
    const isFull = invite?.uses_max !== undefined && invite.uses >= invite.uses_max;
    if (conversation === undefined || isFull || invite.expires_at <= Date.now() || this.banned.get(invite.conversation_id)?.has(userId)) {
      throw new Refusal(404, "not_found", "This invite does not let you in.");
    }
    return { conversation, invite };
  }
}
