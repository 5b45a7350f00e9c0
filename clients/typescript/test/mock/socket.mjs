// The mock server's side of one socket, with the faults it was told to have.
import { randomUUID } from "node:crypto";
import { decodeFrame, encodeFrame } from "../../src/codec.js";
import { Refusal } from "./refusal.mjs";

/**
 * @typedef {object} Faults chances from 0 to 1, by frame
 * @property {number} [cutSocket] the connection ends without a close frame
 * @property {number} [loseAccepted] stored, but the answer never leaves
 * @property {number} [dropPushed] an entry is not delivered: a hole
 * @property {number} [refuseForNow] a temporary error; in half of the cases it was stored
 * @property {number} [delayMsMax] entries travel late; `accepted` may overtake them
 */

export class MockSocket {
  /** @type {{ user_id: string, device_id: string } | null} */
  me = null;
  #pushed = Promise.resolve();

  /**
   * @param {import("ws").WebSocket} socket
   * @param {import("../mock_server.mjs").MockServer} server
   */
  constructor(socket, server) {
    this.socket = socket;
    this.server = server;
    socket.on("message", (bytes) => this.#receive(/** @type {Buffer} */ (bytes)));
    socket.on("close", () => server.sockets.delete(this));
  }

  /** @param {string} name @param {any} body */
  write(name, body) {
    if (this.socket.readyState === 1) this.socket.send(encodeFrame(name, body));
  }

  /** Delivers an entry in its turn. @param {any} frame `{name: body}` */
  push(frame) {
    const [name] = Object.keys(frame);
    if (this.#chance("dropPushed")) return;
    const delayMs = this.server.random() * (this.server.faults.delayMsMax ?? 0);
    this.#pushed = this.#pushed.then(async () => {
      if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
      this.write(name, frame[name]);
    });
  }

  /** @param {number} code @param {string} reason */
  close(code, reason) {
    this.server.sockets.delete(this);
    this.socket.close(code, reason);
  }

  /** @param {keyof Faults} name */
  #chance(name) {
    return this.server.random() < (this.server.faults[name] ?? 0);
  }

  /** @param {Buffer} bytes */
  #receive(bytes) {
    const frame = decodeFrame(bytes);
    if (frame === null) return this.close(4500, "bad_frame");
    this.server.received.push({ ...frame, device_id: this.me?.device_id ?? null });
    if (this.me !== null && this.#chance("cutSocket")) return this.socket.terminate();
    try {
      return this.#handle(frame.name, frame.body);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { code, message, temporary } = error;
      return this.write("error", { ref: frame.body.ref, code, message, temporary });
    }
  }

  /** @param {string} name @param {any} body */
  #handle(name, body) {
    if (name === "hello") return this.#hello(body);
    const me = this.me;
    if (me === null) return this.close(4500, "bad_frame");
    const { world } = this.server;
    switch (name) {
      case "send_message":
        return this.#send(body, () => world.send(me.user_id, body, me.device_id));
      case "edit_message":
      case "delete_message":
      case "react":
      case "pin_message":
        return this.#send(body, () => world.change(me.user_id, name, body, me.device_id));
      case "typing_indicator":
      case "set_presence":
      case "subscribe_presence":
        return undefined;
      case "ack":
        return world.markDelivered(me.device_id, body.conversation_id, body.seq);
      case "read_receipt":
        return world.markRead(me.user_id, body.conversation_id, body.seq);
      case "fetch_history": {
        const page = world.page(me.user_id, body.conversation_id, body);
        return this.write("history", { ref: body.ref, conversation_id: body.conversation_id, ...page });
      }
      case "ping":
        return this.write("pong", { server_time: Date.now(), heads: this.#behind(me, body.positions ?? []) });
      default:
        throw new Refusal(400, "unknown_frame", `No frame is called ${name}.`);
    }
  }

  /** @param {any} hello */
  #hello({ token, positions = [] }) {
    let holder;
    try {
      holder = this.server.world.holder(token);
    } catch (error) {
      const { code, message } = /** @type {Refusal} */ (error);
      this.write("error", { code, message, temporary: false });
      return this.close(4501, "bad_token");
    }
    for (const other of this.server.sockets) {
      if (other !== this && other.me?.device_id === holder.device_id) other.close(4004, "replaced");
    }
    this.me = holder;
    const { world } = this.server;
    const given = new Map(positions.map((/** @type {any} */ one) => [one.conversation_id, one.seq]));
    const mine = [...world.conversations.values()].filter((one) => one.members.has(holder.user_id));
    const conversations = mine.map(({ conversation_id, gen, log }) => ({
      conversation_id,
      gen,
      head: log.length,
      delivered: world.delivered.get(`${holder.device_id} ${conversation_id}`) ?? 0,
      read: world.read.get(`${holder.user_id} ${conversation_id}`) ?? 0,
      ...world.own.holding.get(`${holder.user_id} ${conversation_id}`),
    }));
    this.write("welcome", {
      ...{ user_id: holder.user_id, device_id: holder.device_id, connection_id: randomUUID() },
      ...{ node: randomUUID(), server_time: Date.now(), heartbeat_ms: this.server.heartbeatMs },
      limits: {
        ...{ frame_bytes_max: 131_072, text_bytes_max: 65_536, history_page_max: 200 },
        ...{ sends_per_second: 100, sends_burst: 200 },
      },
      conversations,
    });
    for (const [index, conversation] of mine.entries()) {
      const joined = conversation.members.get(holder.user_id)?.joined_after ?? 0;
      const from = given.get(conversation.conversation_id) ?? conversations[index].delivered;
      for (const frame of conversation.log.slice(Math.max(from, joined))) this.push(world.own.seenBy(holder.user_id, frame));
    }
    return undefined;
  }

  /** @param {any} draft @param {() => { body: any, duplicate: boolean }} store */
  #send(draft, store) {
    if (this.#chance("refuseForNow")) {
      if (this.server.random() < 0.5) store();
      const error = { code: "retry_later", message: "Try again.", temporary: true, retry_after_ms: 5 };
      return this.write("error", { ref: draft.ref, ...error });
    }
    const { body, duplicate } = store();
    if (this.#chance("loseAccepted")) return this.socket.terminate();
    const { message_id, conversation_id, seq, sent_at } = body;
    return this.write("accepted", { ref: draft.ref, message_id, conversation_id, seq, sent_at, duplicate });
  }

  /** @param {{ user_id: string }} me @param {any[]} positions */
  #behind(me, positions) {
    return positions.flatMap(({ conversation_id, seq }) => {
      const conversation = this.server.world.conversations.get(conversation_id);
      if (!conversation?.members.has(me.user_id)) return [];
      return conversation.log.length > seq ? [{ conversation_id, seq: conversation.log.length }] : [];
    });
  }
}
