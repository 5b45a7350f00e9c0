/** Idle for this long: ask whether anything is missing. */
export const PING_IDLE_MS = 25_000;
/** Above twice the server's period, for slow networks. */
const GRACE_MS = 5_000;

/**
 * Watches a socket for silence. Browsers hide WebSocket pings from scripts, so only frames
 * count as a sign of life.
 */
export class Heartbeat {
  #clock;
  #onIdle;
  #onSilent;
  /** @type {any} */
  #idleTimer;
  /** @type {any} */
  #silentTimer;
  #periodMs = 0;
  #running = false;

  /**
   * @param {import("./types.js").Clock} clock
   * @param {{ onIdle: () => void, onSilent: () => void }} handlers
   */
  constructor(clock, { onIdle, onSilent }) {
    this.#clock = clock;
    this.#onIdle = onIdle;
    this.#onSilent = onSilent;
  }

  /** @param {number} periodMs the server's `heartbeat_ms` */
  start(periodMs) {
    this.#periodMs = periodMs;
    this.#running = true;
    this.heard();
  }

  /** Something arrived. */
  heard() {
    if (!this.#running) return;
    this.#clear();
    this.#waitIdle();
    this.#waitSilent(this.#periodMs * 2 + GRACE_MS);
  }

  /**
   * The network looks gone: believe it when nothing answers soon.
   * @param {number} deadlineMs
   */
  probe(deadlineMs) {
    if (!this.#running) return;
    this.#clock.clearTimeout(this.#silentTimer);
    this.#waitSilent(deadlineMs);
    this.#onIdle();
  }

  stop() {
    this.#running = false;
    this.#clear();
  }

  #waitIdle() {
    this.#idleTimer = this.#clock.setTimeout(() => {
      this.#onIdle();
      this.#waitIdle();
    }, Math.min(PING_IDLE_MS, this.#periodMs));
  }

  /** @param {number} delayMs */
  #waitSilent(delayMs) {
    this.#silentTimer = this.#clock.setTimeout(() => {
      this.stop();
      this.#onSilent();
    }, delayMs);
  }

  #clear() {
    this.#clock.clearTimeout(this.#idleTimer);
    this.#clock.clearTimeout(this.#silentTimer);
  }
}
