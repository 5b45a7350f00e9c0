// What the mock server does not do.
export class Refusal extends Error {
  /** @param {number} status @param {string} code @param {string} detail @param {any} [more] */
  constructor(status, code, detail, more = {}) {
    super(detail);
    this.status = status;
    this.code = code;
    this.more = more;
    this.temporary = status === 429 || status >= 500;
  }
}
