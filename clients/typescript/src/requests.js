import { SwitchboardError, unreachable } from "./errors.js";

const TIMEOUT_MS = 10_000;

/** @typedef {{ resolve: (body: any) => void, reject: (error: SwitchboardError) => void, timer: any }} Waiter */

/** Pairs frames that carry a `ref` with their one answer. */
export class Requests {
  /** @type {Map<number, Waiter>} */
  #waiting = new Map();
  #lastRef = 0;
  #clock;
  #send;

  /**
   * @param {import("./types.js").Clock} clock
   * @param {(name: string, body: object) => boolean} send
   */
  constructor(clock, send) {
    this.#clock = clock;
    this.#send = send;
  }

  /**
   * @param {string} name
   * @param {object} body without its `ref`
   * @returns {Promise<any>} the answer's body
   */
  ask(name, body) {
    const ref = (this.#lastRef += 1);
    return new Promise((resolve, reject) => {
      if (!this.#send(name, { ref, ...body })) {
        reject(unreachable());
        return;
      }
      const timer = this.#clock.setTimeout(() => {
        this.#waiting.delete(ref);
        const message = `No answer to ${name} in time.`;
        reject(new SwitchboardError("timeout", message, { temporary: true }));
      }, TIMEOUT_MS);
      this.#waiting.set(ref, { resolve, reject, timer });
    });
  }

  /** @param {string} name @param {any} body a frame with a `ref` */
  answer(name, body) {
    const waiter = this.#waiting.get(body.ref);
    if (waiter === undefined) return;
    this.#waiting.delete(body.ref);
    this.#clock.clearTimeout(waiter.timer);
    if (name === "error") waiter.reject(SwitchboardError.fromFrame(body));
    else waiter.resolve(body);
  }

  /** The socket is gone, and every answer with it. */
  connectionLost() {
    for (const waiter of this.#waiting.values()) {
      this.#clock.clearTimeout(waiter.timer);
      waiter.reject(unreachable());
    }
    this.#waiting.clear();
  }
}
