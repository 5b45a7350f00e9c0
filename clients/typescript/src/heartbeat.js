/** How often to ask whether anything is missing, also while other conversations are busy. */
const PING_PERIOD_MS = 25_000;
/** Above twice the server's period, for slow networks. */
const GRACE_MS = 5_000;

/**
 * Watches a socket for silence. Browsers hide WebSocket pings from scripts, so only frames
 * count as a sign of life.
 */
export class Heartbeat {
  #clock;
  #onBeat;
  #onSilent;
  /** @type {any} */
  #beatTimer;
  /** @type {any} */
  #silentTimer;
  #periodMs = 0;
  #running = false;

  /**
   * @param {import("./types.js").Clock} clock
   * @param {{ onBeat: () => void, onSilent: () => void }} handlers
   */
  constructor(clock, { onBeat, onSilent }) {
    this.#clock = clock;
    this.#onBeat = onBeat;
    this.#onSilent = onSilent;
  }

  /** @param {number} periodMs the server's `heartbeat_ms` */
  start(periodMs) {
    this.#periodMs = periodMs;
    this.#running = true;
    this.#waitBeat();
    this.heard();
  }

  /** Something arrived. */
  heard() {
    if (!this.#running) return;
    this.#clock.clearTimeout(this.#silentTimer);
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
    this.#onBeat();
  }

  stop() {
    this.#running = false;
    this.#clock.clearTimeout(this.#beatTimer);
    this.#clock.clearTimeout(this.#silentTimer);
  }

  #waitBeat() {
    this.#beatTimer = this.#clock.setTimeout(() => {
      this.#onBeat();
      this.#waitBeat();
    }, Math.min(PING_PERIOD_MS, this.#periodMs));
  }

  /** @param {number} delayMs */
  #waitSilent(delayMs) {
    this.#silentTimer = this.#clock.setTimeout(() => {
      this.stop();
      this.#onSilent();
    }, delayMs);
  }
}
