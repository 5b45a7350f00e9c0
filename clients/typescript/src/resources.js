import { asEntries, asPage } from "./codec.js";
import { OwnResources } from "./resources_own.js";
import { withEntry } from "./rest.js";

/** @typedef {import("./types.js").UserView} UserView */
/** @typedef {import("./types.js").ConversationView} ConversationView */
/** @typedef {import("./types.js").ChatListItem} ChatListItem */

/** The REST routes by name. Every method throws a `SwitchboardError`. */
export class Resources extends OwnResources {
  /** @returns {Promise<UserView & { created_at: number, device_id: string }>} */
  me() {
    return this.rest.request("GET", "/v1/users/me");
  }

  /** @param {{ display_name?: string, status_text?: string }} change */
  changeProfile(change) {
    return this.rest.request("PATCH", "/v1/users/me", { body: change });
  }

  /** @param {string} userId @returns {Promise<UserView>} */
  user(userId) {
    return this.rest.request("GET", `/v1/users/${userId}`);
  }

  /** @param {string} username exact @returns {Promise<UserView | null>} */
  async findUser(username) {
    const found = await this.rest.request("GET", "/v1/users", { query: { username } });
    return found.users[0] ?? null;
  }

  /**
   * One page of the chat list, newest first.
   * @param {string} userId
   * @param {string} [cursor]
   * @returns {Promise<{ conversations: ChatListItem[], next_cursor?: string }>}
   */
  async conversations(userId, cursor) {
    const path = `/v1/users/${userId}/conversations`;
    const page = await this.rest.request("GET", path, { query: { cursor } });
    return { ...page, conversations: page.conversations.map(withEntry) };
  }

  /**
   * @param {import("./types.js").ConversationKind} kind
   * @param {string[]} members user ids, oneself left out
   * @param {string} [name]
   * @returns {Promise<ConversationView>} a direct conversation that exists is returned as it is
   */
  createConversation(kind, members, name) {
    return this.rest.request("POST", "/v1/conversations", { body: { kind, members, name } });
  }

  /** @param {string} conversationId @returns {Promise<ConversationView>} */
  conversation(conversationId) {
    return this.rest.request("GET", `/v1/conversations/${conversationId}`);
  }

  /** @param {string} conversationId @param {import("./types_own.js").ConversationPatch} patch */
  changeConversation(conversationId, patch) {
    return this.rest.request("PATCH", `/v1/conversations/${conversationId}`, { body: patch });
  }

  /** @param {string} conversationId @param {string} name */
  renameConversation(conversationId, name) {
    return this.changeConversation(conversationId, { name });
  }

  /** @param {string} conversationId @param {import("./types.js").Member[]} members */
  addMembers(conversationId, members) {
    const path = `/v1/conversations/${conversationId}/members`;
    return this.rest.request("POST", path, { body: { members } });
  }

  /** @param {string} conversationId @param {string} userId @param {import("./types.js").Role} role */
  changeRole(conversationId, userId, role) {
    const path = `/v1/conversations/${conversationId}/members/${userId}`;
    return this.rest.request("PATCH", path, { body: { role } });
  }

  /** @param {string} conversationId @param {string[]} members oneself: leaves the conversation */
  removeMembers(conversationId, members) {
    const path = `/v1/conversations/${conversationId}/members`;
    return this.rest.request("DELETE", path, { body: { members } });
  }

  // === bans and invites ===

  /** @param {string} conversationId @returns {Promise<import("./types_own.js").Ban[]>} */
  async bans(conversationId) {
    return (await this.rest.request("GET", `/v1/conversations/${conversationId}/bans`)).bans;
  }

  /** Removes somebody who cannot come back. @param {string} conversationId @param {string} userId */
  ban(conversationId, userId) {
    return this.rest.request("PUT", `/v1/conversations/${conversationId}/bans/${userId}`);
  }

  /** @param {string} conversationId @param {string} userId */
  unban(conversationId, userId) {
    return this.rest.request("DELETE", `/v1/conversations/${conversationId}/bans/${userId}`);
  }

  /** @param {string} conversationId @returns {Promise<import("./types_own.js").Invite[]>} those that still let somebody in */
  async invites(conversationId) {
    return (await this.rest.request("GET", `/v1/conversations/${conversationId}/invites`)).invites;
  }

  /** @param {string} conversationId @param {{ expires_in_ms?: number, uses_max?: number }} [limits] @returns {Promise<import("./types_own.js").NewInvite>} */
  createInvite(conversationId, limits = {}) {
    return this.rest.request("POST", `/v1/conversations/${conversationId}/invites`, { body: limits });
  }

  /** @param {string} conversationId @param {string} inviteId */
  revokeInvite(conversationId, inviteId) {
    return this.rest.request("DELETE", `/v1/conversations/${conversationId}/invites/${inviteId}`);
  }

  /** Where an invite leads. @param {string} token @returns {Promise<import("./types_own.js").InvitePreview>} */
  invite(token) {
    return this.rest.request("GET", `/v1/invites/${encodeURIComponent(token)}`);
  }

  /** @param {string} token @returns {Promise<ConversationView>} */
  joinByInvite(token) {
    return this.rest.request("POST", `/v1/invites/${encodeURIComponent(token)}/join`);
  }

  /**
   * A page of the log without a socket.
   * @param {string} conversationId
   * @param {{ before?: number, after?: number, at?: number, limit?: number }} [range] `at`: round the first entry sent then or later
   * @returns {Promise<import("./types.js").HistoryPage>}
   */
  async messages(conversationId, range = {}) {
    const path = `/v1/conversations/${conversationId}/messages`;
    const page = await this.rest.request("GET", path, { query: range });
    return asPage(conversationId, page);
  }

  /**
   * What a message said, oldest first: itself, then its edits.
   * @param {string} conversationId @param {number} seq
   * @returns {Promise<import("./types.js").Entry[]>}
   */
  async edits(conversationId, seq) {
    const path = `/v1/conversations/${conversationId}/messages/${seq}/edits`;
    return asEntries((await this.rest.request("GET", path)).versions);
  }

  /**
   * Who has a message and who has read it, its author left out.
   * @param {string} conversationId @param {number} seq
   * @returns {Promise<import("./types.js").Receipts>}
   */
  receipts(conversationId, seq) {
    return this.rest.request("GET", `/v1/conversations/${conversationId}/messages/${seq}/receipts`);
  }

  /**
   * Messages that say `text`, in one conversation or in all of one's own.
   * @param {string} text
   * @param {import("./types.js").SearchRange} [range]
   * @returns {Promise<import("./types.js").SearchPage>}
   */
  async search(text, range = {}) {
    const page = await this.rest.request("GET", "/v1/search", { query: { q: text, ...range } });
    const hits = page.hits.flatMap((/** @type {any} */ hit) => {
      const [entry] = asEntries([hit.entry]);
      return entry === undefined ? [] : [{ entry, highlights: hit.highlights ?? [] }];
    });
    return { hits, next_cursor: page.next_cursor ?? undefined };
  }

  /** What is behind a link; `404` when there is nothing, or this server does not say. @param {string} url @returns {Promise<import("./types_own.js").LinkPreview>} */
  linkPreview(url) {
    return this.rest.request("GET", "/v1/link-preview", { query: { url } });
  }

  /** @returns {Promise<{ devices: { device_id: string, name: string, current: boolean }[] }>} */
  devices() {
    return this.rest.request("GET", "/v1/devices");
  }

  /** @param {string} deviceId signs that device out and closes its socket */
  revokeDevice(deviceId) {
    return this.rest.request("DELETE", `/v1/devices/${deviceId}`);
  }
}
