import { asEntries } from "./codec.js";

/** @typedef {import("./types_own.js").Settings} Settings */
/** @typedef {import("./types_own.js").Scheduled} Scheduled */
/** @typedef {import("./types_own.js").Thread} Thread */

/** Routes of what belongs to this user alone. */
export class OwnResources {
  /** @protected */
  rest;

  /** @param {import("./rest.js").Rest} rest */
  constructor(rest) {
    this.rest = rest;
  }

  /** @returns {Promise<Settings>} */
  settings() {
    return this.rest.request("GET", "/v1/users/me/settings");
  }

  /** @param {Partial<Settings>} change @returns {Promise<Settings>} */
  changeSettings(change) {
    return this.rest.request("PATCH", "/v1/users/me/settings", { body: change });
  }

  /**
   * How this user holds a conversation, and what is hidden and read in it.
   * @param {string} conversationId @returns {Promise<import("./types_own.js").OwnConversation>}
   */
  ownConversation(conversationId) {
    return this.rest.request("GET", `/v1/users/me/conversations/${conversationId}`);
  }

  /**
   * Mutes, archives or pins a conversation, or ends that.
   * @param {string} conversationId @param {import("./types_own.js").Holding} change
   * @returns {Promise<import("./types_own.js").OwnConversation>}
   */
  holdConversation(conversationId, change) {
    return this.rest.request("PATCH", `/v1/users/me/conversations/${conversationId}`, { body: change });
  }

  /** @param {string} conversationId @param {{ text: string, reply_to?: number }} draft an empty text: none @returns {Promise<import("./types_own.js").Draft>} */
  saveDraft(conversationId, draft) {
    return this.rest.request("PUT", `/v1/users/me/conversations/${conversationId}/draft`, { body: draft });
  }

  /** @param {string} conversationId @param {number} seq takes a message away for this user alone */
  hideMessage(conversationId, seq) {
    const path = `/v1/conversations/${conversationId}/messages/${seq}`;
    return this.rest.request("DELETE", path, { query: { scope: "me" } });
  }

  // === people ===

  /** @returns {Promise<import("./types.js").UserView[]>} whom this user blocks */
  async blocks() {
    return (await this.rest.request("GET", "/v1/blocks")).blocked;
  }

  /** @param {string} userId */
  block(userId) {
    return this.rest.request("PUT", `/v1/blocks/${userId}`);
  }

  /** @param {string} userId */
  unblock(userId) {
    return this.rest.request("DELETE", `/v1/blocks/${userId}`);
  }

  // === messages to be sent later ===

  /** @returns {Promise<Scheduled[]>} what waits and what failed, the next first */
  async scheduled() {
    return (await this.rest.request("GET", "/v1/scheduled")).scheduled;
  }

  /**
   * @param {string} conversationId @param {string | import("./types.js").Content} content
   * @param {{ send_at: number, reply_to?: number, mentions?: string[] }} options
   * @returns {Promise<Scheduled>}
   */
  schedule(conversationId, content, options) {
    const body = { conversation_id: conversationId, content: asContent(content), ...options };
    return this.rest.request("POST", "/v1/scheduled", { body });
  }

  /**
   * Also tries one again that failed.
   * @param {string} scheduledId
   * @param {{ content?: string | import("./types.js").Content, mentions?: string[], send_at?: number }} change
   * @returns {Promise<Scheduled>}
   */
  changeScheduled(scheduledId, { content, ...change }) {
    const body = content === undefined ? change : { content: asContent(content), ...change };
    return this.rest.request("PATCH", `/v1/scheduled/${scheduledId}`, { body });
  }

  /** @param {string} scheduledId */
  cancelScheduled(scheduledId) {
    return this.rest.request("DELETE", `/v1/scheduled/${scheduledId}`);
  }

  // === threads ===

  /**
   * A page of a conversation's threads, that with the newest first message first.
   * @param {string} conversationId
   * @param {{ before?: number, limit?: number }} [range]
   * @returns {Promise<{ threads: Thread[], next_before?: number }>}
   */
  async threads(conversationId, range = {}) {
    const page = await this.rest.request("GET", `/v1/conversations/${conversationId}/threads`, { query: range });
    const threads = page.threads.map((/** @type {any} */ one) => (one.root ? { ...one, root: asEntries([one.root])[0] } : one));
    return { threads, next_before: page.next_before ?? undefined };
  }

  /**
   * Replies of a thread, ascending.
   * @param {string} conversationId @param {number} thread
   * @param {{ before?: number, after?: number, limit?: number }} [range]
   * @returns {Promise<import("./types_own.js").ThreadPage>}
   */
  async threadMessages(conversationId, thread, range = {}) {
    const path = `/v1/conversations/${conversationId}/threads/${thread}/messages`;
    const page = await this.rest.request("GET", path, { query: range });
    return { entries: asEntries(page.entries), states: page.states ?? [], read: page.read ?? 0 };
  }

  /** @param {string} conversationId @param {number} thread @param {boolean} on false: leaves it */
  followThread(conversationId, thread, on) {
    const path = `/v1/conversations/${conversationId}/threads/${thread}/follow`;
    return this.rest.request(on ? "PUT" : "DELETE", path);
  }

  /** @param {string} conversationId @param {number} thread @param {number} seq this user has read its replies up to here */
  readThread(conversationId, thread, seq) {
    const body = { conversation_id: conversationId, thread, seq };
    return this.rest.request("POST", "/v1/read-receipt", { body });
  }
}

/** @param {string | import("./types.js").Content} content */
function asContent(content) {
  return typeof content === "string" ? { text: { text: content } } : content;
}
