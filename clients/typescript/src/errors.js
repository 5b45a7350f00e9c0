/** @typedef {{ field: string, message: string }} FieldProblem */

/** What the server refused, or what kept it from being asked. `code` is stable. */
export class SwitchboardError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {object} [details]
   * @param {boolean} [details.temporary] the same request may succeed later
   * @param {number} [details.retryAfterMs]
   * @param {number} [details.status] HTTP status, when the answer came over REST
   * @param {string} [details.traceId] to be found in the server's log
   * @param {FieldProblem[]} [details.fields] one item a refused field
   * @param {number} [details.seq] with `message_id_reused`: the number the id already has
   * @param {unknown} [details.cause]
   */
  constructor(code, message, details = {}) {
    super(message, { cause: details.cause });
    this.name = "SwitchboardError";
    this.code = code;
    this.temporary = details.temporary ?? false;
    this.retryAfterMs = details.retryAfterMs;
    this.status = details.status;
    this.traceId = details.traceId;
    this.fields = details.fields ?? [];
    this.seq = details.seq;
  }

  /** @param {any} body an `error` frame */
  static fromFrame(body) {
    return new SwitchboardError(body.code ?? "internal", body.message ?? "", {
      temporary: body.temporary ?? false,
      retryAfterMs: body.retry_after_ms ?? undefined,
      seq: body.seq ?? undefined,
    });
  }

  /**
   * @param {number} status
   * @param {any} problem RFC 9457 problem details, or null when the answer was none
   */
  static fromProblem(status, problem) {
    const temporary = problem?.temporary ?? (status === 429 || status >= 500);
    const code = problem?.code ?? (temporary ? "overloaded" : "internal");
    const message = problem?.detail ?? problem?.title ?? `The server answered ${status}.`;
    return new SwitchboardError(code, message, {
      temporary,
      retryAfterMs: problem?.retry_after_ms ?? undefined,
      status,
      traceId: problem?.trace_id,
      fields: problem?.errors ?? [],
    });
  }
}

/** @param {unknown} error @returns {boolean} */
export function isTemporary(error) {
  return error instanceof SwitchboardError && error.temporary;
}

/** @param {unknown} [cause] */
export function unreachable(cause) {
  return new SwitchboardError("unreachable", "The server cannot be reached.", {
    temporary: true,
    cause,
  });
}
