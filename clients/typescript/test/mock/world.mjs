// What the mock server knows: users, conversations and their logs, in memory.
import { randomBytes, randomUUID } from "node:crypto";
import { asEntries } from "../../src/codec.js";
import { uuidV7 } from "../../src/uuid.js";
import { OwnFacts } from "./own.mjs";
import { Refusal } from "./refusal.mjs";
import { Rooms } from "./rooms.mjs";
import { statesOf } from "./states.mjs";

/** @typedef {{ user_id: string, username: string, display_name: string, password: string }} User */
/** @typedef {{ role: "owner" | "admin" | "member", joined_after: number }} Membership */
/**
 * @typedef {object} Conversation
 * @property {string} conversation_id
 * @property {"direct" | "group" | "channel"} kind
 * @property {string | undefined} name
 * @property {string} created_by
 * @property {number} created_at
 * @property {number} gen
 * @property {any[]} log           `{name: body}` each, number = index + 1
 * @property {Map<string, Membership>} members
 * @property {Map<string, any>} numbered  message id → its body
 * @property {any} [settings]  description, photo and the like
 */

const TEXT_BYTES_MAX = 65_536;
/** @type {Record<string, string>} */
const ENTRY_KINDS = {
  edit_message: "message_edited",
  delete_message: "message_deleted",
  react: "reaction_changed",
  pin_message: "pin_changed",
};

/** @param {any} frame `{name: body}` */
export const entryOf = (frame) => frame[Object.keys(frame)[0]];

export class World {
  /** @type {Map<string, User>} */
  users = new Map();
  /** @type {Map<string, Conversation>} */
  conversations = new Map();
  /** @type {Map<string, { user_id: string, device_id: string, expires_at: number }>} */
  accessTokens = new Map();
  /** @type {Map<string, { user_id: string, device_id: string }>} */
  refreshTokens = new Map();
  /** @type {Map<string, number>} `user conversation` → read up to */
  read = new Map();
  /** @type {Map<string, number>} `device conversation` → delivered up to */
  delivered = new Map();
  /** @type {((conversation: Conversation, frame: any, fromDevice: string | null) => void)[]} */
  listeners = [];

  /** @type {((conversation: Conversation) => void)[]} */
  createdListeners = [];

  /** Frames for one user's devices. @type {((userId: string, frame: any, fromDevice: string | null) => void)[]} */
  userListeners = [];
  own = new OwnFacts(this);
  rooms = new Rooms(this);

  /** @param {{ accessTokenMs: number }} options */
  constructor(options) {
    this.options = options;
  }

  /** @param {string} userId @param {string} [deviceId] */
  signIn(userId, deviceId = randomUUID()) {
    const access_token = `access-${randomBytes(12).toString("hex")}`;
    const refresh_token = `refresh-${randomBytes(12).toString("hex")}`;
    const holder = { user_id: userId, device_id: deviceId };
    const expires_at = Date.now() + this.options.accessTokenMs;
    this.accessTokens.set(access_token, { ...holder, expires_at });
    this.refreshTokens.set(refresh_token, holder);
    const expires_in = Math.ceil(this.options.accessTokenMs / 1_000);
    return { ...holder, access_token, refresh_token, expires_in };
  }

  /** @param {string} token */
  holder(token) {
    const holder = this.accessTokens.get(token);
    if (holder === undefined) throw new Refusal(401, "bad_token", "The token is not valid here.");
    if (holder.expires_at <= Date.now()) {
      throw new Refusal(401, "token_expired", "The token has expired.");
    }
    return holder;
  }

  /** @param {any} request */
  register({ username, password, display_name }) {
    const errors = [];
    const name = String(username ?? "").toLowerCase();
    if (!/^[a-z0-9._-]{2,32}$/u.test(name)) {
      errors.push({ field: "username", message: "must be 2 to 32 of a-z 0-9 . _ -" });
    }
    if (String(password ?? "").length < 8) {
      errors.push({ field: "password", message: "must be at least 8 characters" });
    }
    if (errors.length > 0) {
      throw new Refusal(422, "invalid_field", "Some fields are not acceptable.", { errors });
    }
    if (this.byName(name)) {
      throw new Refusal(409, "username_taken", "This user name is taken.", {
        errors: [{ field: "username", message: "is taken" }],
      });
    }
    const user = { user_id: uuidV7(), username: name, password, display_name: display_name || name };
    this.users.set(user.user_id, user);
    return user;
  }

  /** @param {string} username */
  byName(username) {
    return [...this.users.values()].find((user) => user.username === username.toLowerCase());
  }

  /** @param {string} userId */
  userView(userId) {
    const user = this.users.get(userId);
    if (user === undefined) throw new Refusal(404, "not_found", "No such user.");
    return { user_id: user.user_id, username: user.username, display_name: user.display_name };
  }

  /** @param {string} userId @param {any} request */
  createConversation(userId, { kind, members = [], name }) {
    for (const id of members) this.userView(id);
    if (kind === "direct") {
      const existing = [...this.conversations.values()].find(
        (one) => one.kind === "direct" && one.members.has(userId) && one.members.has(members[0]),
      );
      if (existing) return { created: false, conversation: existing };
    }
    /** @type {Conversation} */
    const conversation = {
      conversation_id: uuidV7(),
      kind,
      name,
      created_by: userId,
      created_at: Date.now(),
      gen: 1,
      log: [],
      members: new Map([[userId, { role: "owner", joined_after: 0 }]]),
      numbered: new Map(),
    };
    for (const id of members) conversation.members.set(id, { role: "member", joined_after: 0 });
    this.conversations.set(conversation.conversation_id, conversation);
    for (const listener of this.createdListeners) listener(conversation);
    if (kind !== "direct") {
      const added = [...conversation.members].map(([user_id, { role }]) => ({ user_id, role }));
      this.append(conversation, "members_changed", userId, { added });
    }
    return { created: true, conversation };
  }

  /** @param {string} userId @param {string} conversationId */
  readable(userId, conversationId) {
    const conversation = this.conversations.get(conversationId);
    if (conversation === undefined || !conversation.members.has(userId)) {
      throw new Refusal(404, "not_found", "No such conversation.");
    }
    return conversation;
  }

  /**
   * @param {Conversation} conversation
   * @param {string} name
   * @param {string} senderId
   * @param {any} fields
   * @param {{ messageId?: string, fromDevice?: string | null }} [origin]
   */
  append(conversation, name, senderId, fields, { messageId = uuidV7(), fromDevice = null } = {}) {
    const body = {
      conversation_id: conversation.conversation_id,
      seq: conversation.log.length + 1,
      message_id: messageId,
      sender_id: senderId,
      sent_at: Date.now(),
      ...fields,
    };
    const frame = { [name]: body };
    conversation.log.push(frame);
    conversation.numbered.set(messageId, body);
    for (const listener of this.listeners) listener(conversation, frame, fromDevice);
    return body;
  }

  /** @param {string} userId @param {any} draft @param {string | null} fromDevice */
  send(userId, draft, fromDevice) {
    const conversation = this.readable(userId, draft.conversation_id);
    const messageId = draft.message_id ?? uuidV7();
    const before = conversation.numbered.get(messageId);
    if (before !== undefined) return { body: before, duplicate: true };
    if (draft.content?.text?.text === "") {
      throw new Refusal(422, "invalid_content", "The text is empty.");
    }
    if (Buffer.byteLength(draft.content?.text?.text ?? "") > TEXT_BYTES_MAX) {
      throw new Refusal(422, "invalid_content", "The text is longer than 64 KiB.");
    }
    this.rooms.mayPost(userId, conversation);
    this.own.mayWrite(userId, conversation);
    const { content, reply_to, thread, mentions, mention_all, forwarded_from } = draft;
    const afterMs = draft.expires_after_ms ?? conversation.settings?.disappear_after_ms;
    const expires_at = afterMs ? Date.now() + afterMs : undefined;
    const forwarded = forwarded_from ? true : undefined;
    const fields = { content, reply_to, thread, mentions: mentions ?? [], mention_all, forwarded, expires_at };
    if (draft.clear_draft) this.own.saveDraft(userId, draft.conversation_id, { text: "" }, fromDevice);
    const body = this.append(conversation, "new_message", userId, fields, { messageId, fromDevice });
    return { body, duplicate: false };
  }

  /** @param {string} userId @param {string} frame @param {any} draft @param {string | null} fromDevice */
  change(userId, frame, draft, fromDevice) {
    const conversation = this.readable(userId, draft.conversation_id);
    const before = conversation.numbered.get(draft.message_id);
    if (before !== undefined) return { body: before, duplicate: true };
    const target = conversation.log[draft.target - 1]?.new_message;
    if (target === undefined) throw new Refusal(404, "not_found", "No such message.");
    if (target.sender_id !== userId && frame !== "react" && frame !== "pin_message") {
      throw new Refusal(403, "forbidden", "It is not yours.");
    }
    const { ref: _ref, retry: _retry, scope: _scope, message_id: messageId, conversation_id: _id, ...fields } = draft;
    const body = this.append(conversation, ENTRY_KINDS[frame], userId, fields, { messageId, fromDevice });
    return { body, duplicate: false };
  }

  /** @param {string} userId @param {string} conversationId @param {number} seq */
  markRead(userId, conversationId, seq) {
    const key = `${userId} ${conversationId}`;
    const read = Math.max(this.read.get(key) ?? 0, seq);
    this.read.set(key, read);
    const frame = { message_status: { conversation_id: conversationId, user_id: userId, read } };
    for (const listener of this.userListeners) listener(userId, frame, null);
  }

  /** @param {string} deviceId @param {string} conversationId @param {number} seq */
  markDelivered(deviceId, conversationId, seq) {
    const key = `${deviceId} ${conversationId}`;
    this.delivered.set(key, Math.max(this.delivered.get(key) ?? 0, seq));
  }

  /** @param {string} userId @param {string} conversationId @param {any} range */
  page(userId, conversationId, { before, after, at, limit = 50 }) {
    const conversation = this.readable(userId, conversationId);
    const joined = conversation.members.get(userId)?.joined_after ?? 0;
    const size = Math.min(Number(limit), 200);
    const head = conversation.log.length;
    let from;
    let to;
    if (at !== undefined && at !== null) {
      const first = conversation.log.findIndex((frame) => entryOf(frame).sent_at >= Number(at));
      from = Math.max((first === -1 ? head : first) - Math.floor(size / 2), joined);
      to = Math.min(head, from + size);
    } else if (after !== undefined && after !== null) {
      from = Math.max(Number(after), joined);
      to = Math.min(head, from + size);
    } else {
      to = Math.min(head, (before ?? head + 1) - 1);
      from = Math.max(to - size, joined);
    }
    const entries = conversation.log.slice(from, Math.max(from, to)).map((frame) => this.own.seenBy(userId, frame));
    const states = statesOf(asEntries(conversation.log), asEntries(entries), head);
    return { entries, head, states };
  }

  /** @param {Conversation} conversation */
  view(conversation) {
    return {
      conversation_id: conversation.conversation_id,
      kind: conversation.kind,
      name: conversation.name,
      created_by: conversation.created_by,
      created_at: conversation.created_at,
      posting: conversation.kind === "channel" ? "admins" : "everyone",
      ...conversation.settings,
      gen: conversation.gen,
      head: conversation.log.length,
      members: [...conversation.members].map(([id, { role }]) => ({ ...this.userView(id), role })),
    };
  }

  /** @param {string} userId */
  chatList(userId) {
    const mine = [...this.conversations.values()].filter((one) => one.members.has(userId));
    return mine.map((conversation) => {
      const peer = [...conversation.members.keys()].find((id) => id !== userId);
      const membership = /** @type {Membership} */ (conversation.members.get(userId));
      const read = this.read.get(`${userId} ${conversation.conversation_id}`) ?? 0;
      const head = conversation.log.length;
      return {
        conversation_id: conversation.conversation_id,
        kind: conversation.kind,
        name: conversation.name,
        peer: conversation.kind === "direct" && peer ? this.userView(peer) : undefined,
        gen: conversation.gen,
        head,
        read,
        ...this.own.listFacts(userId, conversation, Math.max(read, membership.joined_after)),
        photo: conversation.settings?.photo ?? undefined,
        last: conversation.log.length > 0 ? this.own.seenBy(userId, conversation.log[conversation.log.length - 1]) : undefined,
        role: membership.role,
      };
    });
  }

  /** @param {string} userId @param {string} id @param {{ user_id: string, role: any }[]} members */
  addMembers(userId, id, members) {
    const conversation = this.readable(userId, id);
    const added = members.filter(({ user_id }) => !conversation.members.has(user_id));
    for (const { user_id, role } of added) {
      conversation.members.set(user_id, { role, joined_after: conversation.log.length });
    }
    if (added.length > 0) this.append(conversation, "members_changed", userId, { added });
    return conversation;
  }

  /** @param {string} userId @param {string} id @param {string[]} members */
  removeMembers(userId, id, members) {
    const conversation = this.readable(userId, id);
    const removed = members.filter((member) => conversation.members.has(member));
    if (removed.length > 0) this.append(conversation, "members_changed", userId, { removed });
    for (const member of removed) conversation.members.delete(member);
  }
}
