import { entryOf, frameOf } from "./change_frames.js";
import { systemClock } from "./clock.js";
import { asEntry, asPage, encodeFrame } from "./codec.js";
import { Connection } from "./connection.js";
import { Drafts } from "./drafts.js";
import { SwitchboardError } from "./errors.js";
import { ownEvent } from "./own.js";
import { PositionLedger } from "./positions.js";
import { Requests } from "./requests.js";
import { Resources } from "./resources.js";
import { Rest } from "./rest.js";
import { Sender } from "./sender.js";
import { SessionKeeper, defaultLock } from "./session.js";
import { Signals } from "./signals.js";
import { memoryOutbox, memorySession } from "./storage.js";
import { Timelines } from "./timelines.js";

/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./types.js").Content} Content */
/** @typedef {import("./types.js").Session} Session */
/** @typedef {import("./types.js").SendResult} SendResult */
/** @typedef {import("./types.js").Welcome} Welcome */

export const CLIENT_NAME = "switchboard-js/0.1.0";
/** After the first entry that is not acknowledged yet, and between two acknowledgements. */
const ACK_DELAY_MS = 250;
const ACK_PAUSE_MS = 1_000;
/** The server takes 4 KiB before it knows who is there; a position is some 45 bytes. */
const HELLO_BYTES_MAX = 4_000;
const PING_POSITIONS_MAX = 1_000;

/**
 * @typedef {object} ClientOptions
 * @property {string} baseUrl where the server is, such as `https://chat.example.org`
 * @property {typeof WebSocket} [WebSocket] for platforms without their own
 * @property {typeof globalThis.fetch} [fetch]
 * @property {import("./storage.js").SessionStorage} [session] where the sign-in is kept
 * @property {import("./storage.js").OutboxStorage} [outbox] where unsent messages are kept
 * @property {boolean} [reconnectOnReplaced] fight for the socket when the same device connects
 *   elsewhere; default false
 * @property {number} [inFlightMax] messages of one conversation sent before the first has its
 *   number; default 1, which keeps their order whatever happens
 * @property {import("./types.js").Clock} [clock]
 * @property {() => number} [random]
 * @property {import("./session.js").Lock} [lock]
 */

/**
 * One signed-in device. Events, each a `CustomEvent`:
 * `state` (the connection), `entry` (a log entry, in order and once), `message_state` (one's own
 * message: pending, sent, failed), `change_state` (the same of one's own change of a message),
 * `conversations` (how each stands, after each connection), `status` (how far somebody has received and read), `typing`, `presence`, `created` (a
 * conversation one is in), `welcome`, `resync`, `hidden`, `server_error` and `frame` (any other
 * frame); and of what another device of this user did: `settings`, `conversation_settings`,
 * `draft`, `message_hidden`, `thread_read`, `thread_followed`, `block`, `scheduled`.
 */
export class SwitchboardClient extends EventTarget {
  #clock;
  #session;
  #connection;
  #requests;
  #timelines;
  #sender;
  #signals;
  #drafts;
  #delivered = new PositionLedger();
  #read = new PositionLedger();
  /** @type {any} */
  #ackTimer;
  #ackedAt = 0;
  /** @type {Welcome | null} */
  #welcome = null;

  /** @param {ClientOptions} options */
  constructor(options) {
    super();
    const clock = options.clock ?? systemClock;
    const random = options.random ?? Math.random;
    this.#clock = clock;
    this.rest = new Rest({
      baseUrl: options.baseUrl,
      fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
      clock,
      random,
      token: (refused) => this.#session.token(refused),
    });
    /** The REST routes. */
    this.api = new Resources(this.rest);
    this.#session = new SessionKeeper({
      storage: options.session ?? memorySession(),
      refresh: (refresh_token) => this.#open("/v1/token/refresh", { refresh_token }),
      clock,
      lock: options.lock ?? defaultLock(),
    });
    this.#connection = new Connection({
      url: socketUrl(options.baseUrl),
      WebSocket: options.WebSocket ?? globalThis.WebSocket,
      clock,
      random,
      reconnectOnReplaced: options.reconnectOnReplaced ?? false,
      token: (refused) => this.#session.token(refused),
      hello: (token) => this.#hello(token),
      ping: () => {
        const positions = this.#timelines.positions().slice(0, PING_POSITIONS_MAX);
        return { positions: positions.map(({ conversation_id, seq }) => ({ conversation_id, seq })) };
      },
      onFrame: (name, body) => this.#receive(name, body),
      onState: (state) => this.#connectionChanged(state),
    });
    this.#requests = new Requests(clock, (name, body) => this.#connection.send(name, body));
    this.#timelines = new Timelines({
      clock,
      random,
      fetchAfter: async (id, after) => (await this.history(id, { after, limit: 200 })).entries,
      onEntry: (entry) => this.#inOrder(entry),
      onHidden: (conversation_id, range) => this.#emit("hidden", { conversation_id, ...range }),
    });
    this.#sender = new Sender({
      clock,
      random,
      storage: options.outbox ?? memoryOutbox(),
      inFlightMax: options.inFlightMax ?? 1,
      connected: () => this.#connection.connected,
      ask: (name, body) => this.#requests.ask(name, body),
      onState: (item, state, result) => {
        const type = item.change === undefined ? "message_state" : "change_state";
        this.#emit(type, { item, state, ...result });
      },
    });
    this.#signals = new Signals({
      clock,
      send: (name, body) => void this.#connection.send(name, body),
      emit: (type, detail) => this.#emit(type, detail),
    });
    this.#drafts = new Drafts({
      clock,
      save: (id, draft) => this.api.saveDraft(id, draft),
      onChange: (conversation_id, draft) => this.#emit("draft", { conversation_id, ...draft }),
    });
  }

  // === signing in ===

  /** @returns {Session | null} */
  get session() {
    return this.#session.current;
  }

  /** @param {{ username: string, password: string, display_name?: string, device?: string }} account */
  async register(account) {
    return this.#session.begin(await this.#open("/v1/register", account));
  }

  /** @param {{ username: string, password: string, device?: string }} account */
  async login(account) {
    return this.#session.begin(await this.#open("/v1/login", account));
  }

  /** Signs this device out here, and on the server when it can be reached. */
  async logout() {
    this.close();
    try {
      await this.rest.request("POST", "/v1/logout", {});
    } catch (error) {
      if (!(error instanceof SwitchboardError)) throw error;
    } finally {
      this.#session.end();
    }
  }

  // === the socket ===

  get state() {
    return this.#connection.state;
  }

  /** Connects and stays connected until {@link close}. */
  connect() {
    this.#sender.restore();
    this.#connection.open();
  }

  close() {
    this.#sendAcks();
    this.#drafts.flush();
    this.#connection.close();
  }

  /** Checks a connection that may be dead, as after the browser's `offline` event. */
  probe() {
    if (this.#connection.connected) this.#connection.probe();
  }

  // === conversations ===

  /**
   * Resolves when the message is stored; rejects when it is refused for good. Until then it is
   * kept in the outbox and sent again under the same id as often as it takes.
   * @param {string} conversationId
   * @param {string | Content} content
   * @param {import("./types.js").SendOptions} [options]
   * @returns {Promise<SendResult> & { message_id: string }}
   */
  send(conversationId, content, options = {}) {
    const body = typeof content === "string" ? { text: { text: content } } : content;
    const promise = this.#put(conversationId, { content: body, options });
    this.#signals.sent(conversationId);
    if (options.clear_draft) this.#drafts.sent(conversationId);
    return promise;
  }

  /**
   * Says a message again in another conversation.
   * @param {string} conversationId where to
   * @param {{ conversation_id: string, seq: number, content: Content }} message
   * @param {import("./types.js").SendOptions} [options]
   */
  forward(conversationId, { conversation_id, seq, content }, options = {}) {
    return this.send(conversationId, content, { ...options, forwarded_from: { conversation_id, seq } });
  }

  /**
   * Says something else in place of one's own message. Like every change it goes through the
   * outbox: it keeps its place behind what was written before, and is repeated until stored.
   * @param {string} conversationId
   * @param {number} target the message's number
   * @param {string | Content} content
   * @param {{ mentions?: string[] }} [options]
   */
  edit(conversationId, target, content, options = {}) {
    const body = typeof content === "string" ? { text: { text: content } } : content;
    return this.#change(conversationId, { frame: "edit_message", target, content: body, ...options });
  }

  /** Takes a message away for everyone. @param {string} conversationId @param {number} target */
  deleteMessage(conversationId, target) {
    return this.#change(conversationId, { frame: "delete_message", target, scope: "everyone" });
  }

  /**
   * Takes a message away for this user alone, on all devices. It cannot be taken back.
   * @param {string} conversationId @param {number} seq
   */
  async hideMessage(conversationId, seq) {
    await this.api.hideMessage(conversationId, seq);
    this.#emit("message_hidden", { conversation_id: conversationId, seq });
  }

  /**
   * Follows a thread, or leaves it, on all devices: what comes in it counts as unread, or does not.
   * @param {string} conversationId @param {number} thread @param {boolean} [on] false: leaves it
   */
  async followThread(conversationId, thread, on = true) {
    await this.api.followThread(conversationId, thread, on);
    this.#emit("thread_followed", { conversation_id: conversationId, thread, on });
  }

  /** @param {string} conversationId @param {number} target @param {string} emoji @param {boolean} [on] false: takes it back */
  react(conversationId, target, emoji, on = true) {
    return this.#change(conversationId, { frame: "react", target, emoji, on });
  }

  /** @param {string} conversationId @param {number} target @param {boolean} [on] false: no more */
  pin(conversationId, target, on = true) {
    return this.#change(conversationId, { frame: "pin_message", target, on });
  }

  /** @param {string} [conversationId] messages without a number yet, oldest first */
  pending(conversationId) {
    return this.#sender.items(conversationId);
  }

  /** @param {string} messageId of a failed message */
  retry(messageId) {
    return this.#sender.retry(messageId);
  }

  /** @param {string} messageId of a failed message */
  discard(messageId) {
    this.#sender.discard(messageId);
  }

  /**
   * A page of the log over the socket: below `before`, above `after`, round the first entry sent
   * at `at` or later, or the newest.
   * @param {string} conversationId
   * @param {{ before?: number, after?: number, at?: number, limit?: number }} [range]
   * @returns {Promise<import("./types.js").HistoryPage>}
   */
  async history(conversationId, range = {}) {
    const body = { conversation_id: conversationId, ...range };
    const page = await this.#requests.ask("fetch_history", body);
    return asPage(conversationId, page);
  }

  /** @param {string} conversationId @param {number} seq this user has read up to here */
  markRead(conversationId, seq) {
    if (this.#read.advance(conversationId, seq)) this.#sendReads();
  }

  /**
   * Names what is already known, as from the chat list: entries above `seq` are delivered.
   * @param {string} conversationId
   * @param {number} seq
   * @param {number} [generation]
   */
  startAt(conversationId, seq, generation) {
    this.#timelines.startAt(conversationId, seq);
    if (this.#delivered.advance(conversationId, seq)) this.#scheduleAcks();
    if (generation !== undefined) this.#timelines.noteGeneration(conversationId, generation);
  }

  /** @param {string} conversationId no longer followed, as after leaving it */
  forget(conversationId) {
    this.#timelines.forget(conversationId);
    this.#delivered.forget(conversationId);
    this.#read.forget(conversationId);
    this.#signals.receipts.forget(conversationId);
  }

  /** What has been handed out as `entry`, for applications that keep it over a restart: `seq` and `gen` go to {@link startAt}. */
  positions() {
    return this.#timelines.positions();
  }

  /**
   * Live delivery of a channel without being its member. After a restore of the server's data
   * `resync` follows, as for a member.
   * @param {string} conversationId
   * @param {number} [after] default: from now on
   */
  async join(conversationId, after) {
    const gen = after === undefined ? undefined : this.#timelines.generation(conversationId);
    const body = { conversation_id: conversationId, after, ...(gen === undefined ? {} : { gen }) };
    const joined = await this.#requests.ask("join_conversation", body);
    // Of another log than `after` is: `resync` comes next and says where this one stands.
    if (gen === undefined || gen === joined.gen) this.startAt(conversationId, joined.after, joined.gen);
    return { head: joined.head, after: joined.after };
  }

  /** Ends a {@link join}. @param {string} conversationId */
  async leave(conversationId) {
    await this.#requests.ask("leave_conversation", { conversation_id: conversationId });
    this.forget(conversationId);
  }

  // === drafts ===

  /**
   * Call it with every key: it is saved when the keys rest. An empty text takes the draft away.
   * @param {string} conversationId @param {{ text: string, reply_to?: number }} draft
   */
  writeDraft(conversationId, draft) {
    this.#drafts.write(conversationId, draft);
  }

  /**
   * What the chat list says; a later one than is known here becomes a `draft` event.
   * @param {string} conversationId @param {import("./types_own.js").Draft | null} draft null: the list has none
   */
  noteDraft(conversationId, draft) {
    this.#drafts.note(conversationId, draft);
  }

  /** @param {string} conversationId whether something was written here that is not saved yet */
  hasUnsavedDraft(conversationId) {
    return this.#drafts.isUnsaved(conversationId);
  }

  // === people ===

  /**
   * Who else is known to have a message, and who to have read it, from what the server told so far.
   * @param {string} conversationId @param {number} seq
   */
  receiptState(conversationId, seq) {
    return this.#signals.receipts.state(conversationId, seq, this.session?.user_id);
  }

  /**
   * Up to where all of these users have received and read, as far as was told.
   * @param {string} conversationId @param {string[]} userIds
   */
  reachedByAll(conversationId, userIds) {
    return this.#signals.receipts.all(conversationId, userIds);
  }

  /**
   * Asks who has a message; {@link receiptState} knows it from then on.
   * @param {string} conversationId @param {number} seq
   */
  async receipts(conversationId, seq) {
    const receipts = await this.api.receipts(conversationId, seq);
    this.#signals.receipts.noteReceipts(conversationId, seq, receipts);
    return receipts;
  }

  /**
   * Call it with every key: it is sent every 3 s at most. A message sent ends it by itself.
   * @param {string} conversationId @param {"typing" | "stopped"} [state]
   */
  typing(conversationId, state = "typing") {
    this.#signals.say(conversationId, state);
  }

  /** @param {string} conversationId @returns {string[]} who writes there now */
  typingUsers(conversationId) {
    return this.#signals.typing(conversationId);
  }

  /** How this user wants to be seen on this device. @param {"online" | "away"} status */
  setPresence(status) {
    this.#signals.setPresence(status);
  }

  /** Whose presence is told from now on, in place of earlier ones. @param {string[]} userIds at most 500 */
  subscribePresence(userIds) {
    this.#signals.watch(userIds);
  }

  /** @param {string} userId @returns {import("./types.js").Presence | null} null when it was not told */
  presence(userId) {
    return this.#signals.presence(userId);
  }

  /** @param {string} text @param {import("./types.js").SearchRange} [range] */
  search(text, range) {
    return this.api.search(text, range);
  }

  // === frames ===

  /** @param {string} name @param {any} body */
  #receive(name, body) {
    const entry = name === "accepted" ? null : asEntry(name, body);
    if (entry !== null) return this.#timelines.accept(entry);
    switch (name) {
      case "welcome":
        return this.#welcomed(body);
      case "more_conversations":
        return this.#conversations(body.conversations);
      case "accepted":
        return this.#accepted(body);
      case "resync":
        return this.#resync(body);
      case "pong":
        for (const { conversation_id, seq } of body.heads ?? []) {
          this.#timelines.noteHead(conversation_id, seq);
        }
        return undefined;
      case "error":
        if (body.ref == null) return this.#emit("server_error", SwitchboardError.fromFrame(body));
        return this.#requests.answer(name, body);
      case "draft_changed":
        return this.#drafts.note(body.conversation_id, body);
      default:
        if (this.#signals.receive(name, body)) return undefined;
        if (this.#ownChanged(name, body)) return undefined;
        if (body.ref == null) return this.#emit("frame", { name, body });
        return this.#requests.answer(name, body);
    }
  }

  /** @param {string} name @param {any} body */
  #ownChanged(name, body) {
    const event = ownEvent(name, body);
    if (event !== null) this.#emit(event.type, event.detail);
    return event !== null;
  }

  /** @param {Welcome} welcome */
  #welcomed(welcome) {
    this.#welcome = welcome;
    this.#conversations(welcome.conversations);
    this.#timelines.connected();
    this.#emit("welcome", welcome);
    this.#signals.connected();
    this.#drafts.connected();
    this.#sender.flush();
  }

  /** @param {import("./types.js").ConversationState[]} states */
  #conversations(states) {
    for (const state of states) {
      if (this.#timelines.welcome(state)) {
        this.#forgetReached(state.conversation_id);
        this.#emit("resync", state);
      }
      this.#delivered.confirm(state.conversation_id, state.delivered);
      this.#read.confirm(state.conversation_id, state.read);
    }
    this.#scheduleAcks();
    this.#sendReads();
    this.#emit("conversations", { conversations: states });
  }

  /** @param {any} accepted */
  #accepted(accepted) {
    const { message_id, seq, sent_at, duplicate } = accepted;
    const item = this.#sender.settle(message_id, { seq, sent_at, duplicate });
    this.#requests.answer("accepted", accepted);
    if (item === undefined) return;
    const { user_id } = /** @type {Welcome} */ (this.#welcome);
    this.#timelines.accept(entryOf(item, { seq, sent_at }, user_id));
    this.#signals.wrote(item.conversation_id, user_id, seq);
  }

  /** @param {any} resync */
  #resync(resync) {
    // News of a conversation, not of a lost position: entries may even have come before it.
    if (resync.reason === "created") {
      this.#timelines.created(resync.conversation_id);
      this.#emit("created", { conversation_id: resync.conversation_id });
      return;
    }
    // Another generation in `welcome` said so already.
    if (resync.reason === "restored" && this.#timelines.isOf(resync.conversation_id, resync.gen)) return;
    this.#timelines.reset(resync.conversation_id, resync.head);
    this.#timelines.noteGeneration(resync.conversation_id, resync.gen);
    this.#forgetReached(resync.conversation_id);
    this.#emit("resync", resync);
  }

  /** What was received and read of another log is not so of this one. @param {string} conversationId */
  #forgetReached(conversationId) {
    this.#delivered.forget(conversationId);
    this.#read.forget(conversationId);
  }

  /** @param {Entry} entry */
  #inOrder(entry) {
    // One's own message in the log: its `accepted` was lost with a connection.
    const { seq, sent_at, message_id, conversation_id } = entry;
    if (entry.sender_id === this.#welcome?.user_id) {
      this.#sender.settle(message_id, { seq, sent_at, duplicate: true });
    }
    if (this.#delivered.advance(conversation_id, seq)) this.#scheduleAcks();
    this.#signals.noteEntry(entry);
    this.#emit("entry", entry);
  }

  /** @param {import("./types.js").ConnectionState} state */
  #connectionChanged(state) {
    if (state.state !== "connected") {
      this.#timelines.connectionLost();
      this.#sender.connectionLost();
      this.#requests.connectionLost();
      this.#signals.connectionLost();
      this.#drafts.connectionLost();
      this.#clock.clearTimeout(this.#ackTimer);
      this.#ackTimer = undefined;
      this.#ackedAt = 0;
    }
    this.#emit("state", state);
  }

  // === what goes out by itself ===

  /** @param {string} token */
  #hello(token) {
    const device_id = this.session?.device_id;
    const bare = { token, device_id, client: CLIENT_NAME };
    const positions = this.#timelines.positions();
    // Conversations that do not fit start where this device last acknowledged; what it has
    // beyond that is dropped as a repeat.
    for (;;) {
      const hello = { ...bare, positions };
      if (positions.length === 0 || encodeFrame("hello", hello).length <= HELLO_BYTES_MAX) return hello;
      positions.length = Math.floor(positions.length * 0.9);
    }
  }

  #scheduleAcks() {
    const pauseMs = this.#ackedAt + ACK_PAUSE_MS - this.#clock.now();
    this.#ackTimer ??= this.#clock.setTimeout(() => this.#sendAcks(), Math.max(ACK_DELAY_MS, pauseMs));
  }

  #sendAcks() {
    this.#clock.clearTimeout(this.#ackTimer);
    this.#ackTimer = undefined;
    if (!this.#connection.connected) return;
    const reached = this.#delivered.take();
    if (reached.length > 0) this.#ackedAt = this.#clock.now();
    for (const position of reached) this.#connection.send("ack", position);
  }

  #sendReads() {
    if (!this.#connection.connected) return;
    for (const position of this.#read.take()) this.#connection.send("read_receipt", position);
  }

  /**
   * @param {string} conversationId
   * @param {import("./types.js").Change} change
   */
  #change(conversationId, change) {
    return this.#put(conversationId, { change, options: {} });
  }

  /**
   * @param {string} conversationId
   * @param {Pick<import("./types.js").OutboxItem, "content" | "options" | "change">} what
   * @returns {Promise<SendResult> & { message_id: string }}
   */
  #put(conversationId, what) {
    const refusal = this.#tooLarge(conversationId, what);
    if (refusal !== null) throw refusal;
    const { item, sent } = this.#sender.add(conversationId, what);
    return Object.assign(sent, { message_id: item.message_id });
  }

  /**
   * @param {string} conversationId
   * @param {Pick<import("./types.js").OutboxItem, "content" | "options" | "change">} what
   */
  #tooLarge(conversationId, what) {
    const limits = this.#welcome?.limits;
    if (limits === undefined) return null;
    const draft = /** @type {import("./types.js").OutboxItem} */ ({ conversation_id: conversationId, ...what });
    const { name, body } = frameOf(draft);
    // 64 bytes for what each attempt adds.
    if (encodeFrame(name, body).length + 64 <= limits.frame_bytes_max) return null;
    return new SwitchboardError("too_large", "The message is too large to be sent.");
  }

  /** @param {string} path @param {object} body a route that needs no sign-in */
  #open(path, body) {
    return this.rest.request("POST", path, { body, open: true });
  }

  /** @param {string} type @param {unknown} detail */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** @param {string} baseUrl */
function socketUrl(baseUrl) {
  return `${baseUrl.replace(/^http/u, "ws").replace(/\/$/u, "")}/ws`;
}
