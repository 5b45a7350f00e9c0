// Which stretch of a log is on the page. Pure: a long conversation costs no more elements than
// a short one.

export const FIRST_ROWS = 80;
export const STEP_ROWS = 60;
export const ROWS_MAX = 400;

/** A stretch named by numbers, which stay what they are when older entries come in. */
export class LogWindow {
  /** @type {number | null} null: as many as fit from the end */
  #top = null;
  /** @type {number | null} null: follows the newest */
  #bottom = null;

  get following() {
    return this.#bottom === null;
  }

  /** @param {import("./chat.js").Chat} chat @returns {{ from: number, to: number }} */
  range(chat) {
    const to = this.#bottom === null ? chat.log.length : chat.indexOf(this.#bottom + 1);
    const from = this.#top === null ? Math.max(0, to - FIRST_ROWS) : chat.indexOf(this.#top);
    // What is on the page stays there: new messages must not push old ones out one by one.
    if (from < to) this.#top = chat.log[from].seq;
    return { from: Math.min(from, to), to };
  }

  /** Shows more above; lets go of the end when it gets too long. @param {import("./chat.js").Chat} chat */
  growUp(chat) {
    const { from, to } = this.range(chat);
    const top = Math.max(0, from - STEP_ROWS);
    if (chat.log.length === 0) return;
    this.#top = chat.log[top].seq;
    if (to - top > ROWS_MAX) this.#bottom = chat.log[top + ROWS_MAX - 1].seq;
  }

  /** Shows more below; lets go of the beginning. @param {import("./chat.js").Chat} chat */
  growDown(chat) {
    const { from, to } = this.range(chat);
    const end = Math.min(chat.log.length, to + STEP_ROWS);
    this.#bottom = end === chat.log.length ? null : chat.log[end - 1].seq;
    if (end - from > ROWS_MAX) this.#top = chat.log[end - ROWS_MAX].seq;
  }

  /** At the newest, with no more rows than needed. @param {import("./chat.js").Chat} chat */
  trim(chat) {
    const { from, to } = this.range(chat);
    if (this.following && to - from > ROWS_MAX) this.#top = chat.log[to - FIRST_ROWS].seq;
  }

  /** Back to the newest. */
  reset() {
    this.#top = null;
    this.#bottom = null;
  }

  /** Around one entry. @param {import("./chat.js").Chat} chat @param {number} seq */
  showAround(chat, seq) {
    const index = chat.indexOf(seq);
    const { from, to } = this.range(chat);
    if (index >= from && index < to) return;
    const top = Math.max(0, index - STEP_ROWS);
    this.#top = chat.log[top].seq;
    const end = Math.min(chat.log.length, top + ROWS_MAX);
    this.#bottom = end === chat.log.length ? null : chat.log[end - 1].seq;
  }
}
