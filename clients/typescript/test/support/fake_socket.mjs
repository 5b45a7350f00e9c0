import { decodeFrame, encodeFrame } from "../../src/codec.js";

/** A WebSocket whose server is the test. */
export class FakeSocket extends EventTarget {
  /** @type {FakeSocket[]} */
  static opened = [];

  /** @param {string} url @param {string[]} protocols */
  constructor(url, protocols) {
    super();
    this.url = url;
    this.protocols = protocols;
    this.readyState = 0;
    this.binaryType = "blob";
    /** @type {{ name: string, body: any }[]} */
    this.sent = [];
    /** @type {number | undefined} */
    this.closedWith = undefined;
    FakeSocket.opened.push(this);
  }

  static get last() {
    return /** @type {FakeSocket} */ (FakeSocket.opened.at(-1));
  }

  /** @param {Uint8Array} bytes */
  send(bytes) {
    this.sent.push(/** @type {any} */ (decodeFrame(bytes)));
  }

  /** @param {number} code */
  close(code) {
    this.readyState = 3;
    this.closedWith = code;
  }

  /** @param {string} name */
  framesSent(name) {
    return this.sent.filter((frame) => frame.name === name).map((frame) => frame.body);
  }

  // === what the server does ===

  accept() {
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
  }

  /** @param {string} name @param {any} body */
  deliver(name, body) {
    const event = new Event("message");
    this.dispatchEvent(Object.assign(event, { data: encodeFrame(name, body) }));
  }

  /** @param {number} code @param {string} [reason] */
  hangUp(code, reason = "") {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event("close"), { code, reason }));
  }
}
