/** Time that moves only when told to. */
export class FakeClock {
  #now = 1_700_000_000_000;
  #lastTimer = 0;
  /** @type {Map<number, { at: number, callback: () => void }>} */
  #timers = new Map();

  now = () => this.#now;

  /** @param {() => void} callback @param {number} delayMs */
  setTimeout = (callback, delayMs) => {
    this.#lastTimer += 1;
    this.#timers.set(this.#lastTimer, { at: this.#now + delayMs, callback });
    return this.#lastTimer;
  };

  /** @param {number | undefined} timer */
  clearTimeout = (timer) => {
    if (timer !== undefined) this.#timers.delete(timer);
  };

  /** Runs timers in the order they are due, and lets promises settle in between. @param {number} ms */
  async advance(ms) {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      const next = [...this.#timers].sort(([a, x], [b, y]) => x.at - y.at || a - b)[0];
      if (next === undefined || next[1].at > end) break;
      this.#timers.delete(next[0]);
      this.#now = Math.max(this.#now, next[1].at);
      next[1].callback();
      await settle();
    }
    this.#now = end;
  }
}

/** Lets everything that is already resolved run. */
export async function settle() {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}
