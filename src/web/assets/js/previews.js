// What is behind the links of messages, as the server says. Each address is asked for once.

/** @typedef {import("/sdk/src/index.js").LinkPreview} LinkPreview */

const KEPT_MAX = 1_000;
/** Asked for at once; the server has a limit. */
const AT_ONCE = 4;

export class Previews {
  #client;
  #onKnown;
  /** null: nothing is there to be shown. @type {Map<string, LinkPreview | null>} */
  #known = new Map();
  /** @type {string[]} */
  #waiting = [];
  #asking = 0;

  /** @param {import("/sdk/src/index.js").SwitchboardClient} client @param {() => void} onKnown */
  constructor(client, onKnown) {
    this.#client = client;
    this.#onKnown = onKnown;
  }

  /** @param {string} url @returns {LinkPreview | null} null also while it is being asked for */
  get(url) {
    const known = this.#known.get(url);
    if (known !== undefined) return known;
    if (this.#known.size >= KEPT_MAX) this.#known.clear();
    this.#known.set(url, null);
    this.#waiting.push(url);
    void this.#ask();
    return null;
  }

  async #ask() {
    if (this.#asking >= AT_ONCE) return;
    const url = this.#waiting.shift();
    if (url === undefined) return;
    this.#asking += 1;
    try {
      const preview = await this.#client.api.linkPreview(url);
      if (preview.title || preview.description) {
        this.#known.set(url, preview);
        this.#onKnown();
      }
    } catch {
      // There is none, or not now: the message says all there is.
    } finally {
      this.#asking -= 1;
      void this.#ask();
    }
  }
}
