import { fullJitterMs } from "./backoff.js";
import { asEntries } from "./codec.js";
import { SwitchboardError, unreachable } from "./errors.js";
import { uuidV7 } from "./uuid.js";

const TIMEOUT_MS = 20_000;
const ATTEMPTS_MAX = 3;

/**
 * @typedef {object} Call
 * @property {object} [body]
 * @property {Record<string, string | number | undefined>} [query]
 * @property {boolean} [open] needs no sign-in
 */

/** JSON over HTTP with typed errors. Knows how to ask, not what for: see `resources.js`. */
export class Rest {
  #baseUrl;
  #fetch;
  #clock;
  #random;
  /** @type {(refused?: string) => Promise<string>} */
  #token;

  /**
   * @param {object} parts
   * @param {string} parts.baseUrl
   * @param {typeof globalThis.fetch} parts.fetch
   * @param {import("./types.js").Clock} parts.clock
   * @param {() => number} parts.random
   * @param {(refused?: string) => Promise<string>} parts.token
   */
  constructor({ baseUrl, fetch, clock, random, token }) {
    this.#baseUrl = baseUrl.replace(/\/$/u, "");
    this.#fetch = fetch;
    this.#clock = clock;
    this.#random = random;
    this.#token = token;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {Call} [call]
   * @returns {Promise<any>} the decoded body; null when there is none
   */
  async request(method, path, call = {}) {
    // A repeated POST is answered, not done again, under the same key.
    const key = method === "POST" && !call.open ? uuidV7(this.#clock.now()) : undefined;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#authorised(method, path, call, key);
      } catch (error) {
        const failure = /** @type {SwitchboardError} */ (error);
        const repeatable = method === "GET" || method === "PUT" || key !== undefined;
        if (!failure.temporary || !repeatable || attempt + 1 >= ATTEMPTS_MAX) throw error;
        await this.#pause((failure.retryAfterMs ?? 0) + fullJitterMs(attempt, this.#random));
      }
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {Call} call
   * @param {string} [key]
   */
  async #authorised(method, path, call, key) {
    if (call.open) return this.#once(method, path, call, key);
    const token = await this.#token();
    try {
      return await this.#once(method, path, call, key, token);
    } catch (error) {
      const expired = error instanceof SwitchboardError && error.code === "token_expired";
      if (!expired) throw error;
      return this.#once(method, path, call, key, await this.#token(token));
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {Call} call
   * @param {string} [key]
   * @param {string} [token]
   */
  async #once(method, path, { body, query }, key, token) {
    /** @type {Record<string, string>} */
    const headers = { accept: "application/json" };
    if (body !== undefined) headers["content-type"] = "application/json";
    if (key !== undefined) headers["idempotency-key"] = key;
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    let response;
    let text;
    try {
      response = await this.#fetch(this.#baseUrl + path + queryText(query), {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      text = await response.text();
    } catch (cause) {
      throw unreachable(cause);
    }
    const value = parse(text);
    if (!response.ok) throw SwitchboardError.fromProblem(response.status, value);
    return value;
  }

  /** @param {number} delayMs */
  #pause(delayMs) {
    return new Promise((resolve) => {
      this.#clock.setTimeout(() => resolve(undefined), delayMs);
    });
  }
}

/** @param {Call["query"]} query */
function queryText(query = {}) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) search.set(name, String(value));
  }
  const text = search.toString();
  return text === "" ? "" : `?${text}`;
}

/** @param {string} text */
function parse(text) {
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * REST spells entries as the socket does, `{name: body}`; the SDK speaks of `{kind, …}`.
 * @param {any} item
 */
export function withEntry(item) {
  return item.last ? { ...item, last: asEntries([item.last])[0] } : item;
}
