import { SwitchboardError } from "./errors.js";

/** @typedef {import("./types.js").Session} Session */

/** Renewed this long before it expires, so that no request starts with a token about to die. */
const EXPIRY_MARGIN_MS = 30_000;

/**
 * Runs one task at a time. Refresh tokens work once, so tabs that share a sign-in must not
 * refresh together; the Web Locks API spans tabs.
 * @typedef {<T>(task: () => Promise<T>) => Promise<T>} Lock
 */

/** @returns {Lock} */
export function defaultLock() {
  const locks = globalThis.navigator?.locks;
  return locks === undefined
    ? (task) => task()
    : (task) => /** @type {any} */ (locks.request("switchboard.refresh", task));
}

/** The sign-in: hands out a valid access token and renews it, once for all who ask. */
export class SessionKeeper {
  /** @type {Promise<string> | null} */
  #renewing = null;
  #storage;
  #refresh;
  #clock;
  #lock;

  /**
   * @param {object} parts
   * @param {import("./storage.js").SessionStorage} parts.storage
   * @param {(refreshToken: string) => Promise<any>} parts.refresh the answer of the refresh route
   * @param {import("./types.js").Clock} parts.clock
   * @param {Lock} parts.lock
   */
  constructor({ storage, refresh, clock, lock }) {
    this.#storage = storage;
    this.#refresh = refresh;
    this.#clock = clock;
    this.#lock = lock;
  }

  /** @returns {Session | null} */
  get current() {
    return this.#storage.load();
  }

  /** @param {any} signedIn the answer of register, login or refresh @returns {Session} */
  begin(signedIn) {
    const session = {
      user_id: signedIn.user_id,
      device_id: signedIn.device_id,
      access_token: signedIn.access_token,
      refresh_token: signedIn.refresh_token,
      expires_at: this.#clock.now() + signedIn.expires_in * 1_000,
    };
    this.#storage.save(session);
    return session;
  }

  end() {
    this.#storage.save(null);
  }

  /**
   * @param {string} [refused] a token the server called expired: must not be handed out again
   * @returns {Promise<string>}
   */
  async token(refused) {
    const session = this.#usable(refused);
    if (session !== null) return session.access_token;
    this.#renewing ??= this.#lock(() => this.#renew(refused)).finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  /** @param {string} [refused] @returns {Session | null} */
  #usable(refused) {
    const session = this.current;
    if (session === null) throw new SwitchboardError("signed_out", "You are not signed in.");
    const fresh = session.expires_at - EXPIRY_MARGIN_MS > this.#clock.now();
    return fresh && session.access_token !== refused ? session : null;
  }

  /** @param {string} [refused] */
  async #renew(refused) {
    // Another tab may have renewed it while this one waited for the lock.
    const renewed = this.#usable(refused);
    if (renewed !== null) return renewed.access_token;
    const before = /** @type {Session} */ (this.current);
    try {
      const session = this.begin(await this.#refresh(before.refresh_token));
      return session.access_token;
    } catch (error) {
      if (error instanceof SwitchboardError && error.status === 401) this.end();
      throw error;
    }
  }
}
