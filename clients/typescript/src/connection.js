import { fullJitterMs } from "./backoff.js";
import { afterClose } from "./close_policy.js";
import { SUB_PROTOCOL, decodeFrame, encodeFrame } from "./codec.js";
import { isTemporary } from "./errors.js";
import { Heartbeat } from "./heartbeat.js";

/** From the start of an attempt to `welcome`. */
const WELCOME_TIMEOUT_MS = 15_000;
/** After the system says that the network is gone. */
const PROBE_MS = 3_000;
/** RFC 6455's code for a connection that ended without a close frame. */
const ABNORMAL = 1006;

/** @typedef {import("./types.js").ConnectionState} ConnectionState */
/** @typedef {{ socket: WebSocket | null, token: string, timer: any }} Attempt */

/**
 * @typedef {object} ConnectionParts
 * @property {string} url
 * @property {typeof WebSocket} WebSocket
 * @property {import("./types.js").Clock} clock
 * @property {() => number} random
 * @property {boolean} reconnectOnReplaced
 * @property {(refused?: string) => Promise<string>} token
 * @property {(token: string) => object} hello
 * @property {() => object} ping
 * @property {(name: string, body: any) => void} onFrame everything after `welcome`, and itself
 * @property {(state: ConnectionState) => void} onState
 */

/** One socket after another: signs on, watches for silence, comes back with full jitter. */
export class Connection {
  #parts;
  /** @type {Attempt | null} events of any earlier attempt are ignored */
  #attempt = null;
  #heartbeat;
  #failures = 0;
  #refreshed = false;
  /** @type {string | undefined} */
  #refusedToken;
  /** @type {string | null} */
  #errorCode = null;
  #drainAfterMs = 0;
  /** @type {any} */
  #reconnectTimer;
  /** @type {ConnectionState} */
  #state = { state: "disconnected", reason: "not_started" };

  /** @param {ConnectionParts} parts */
  constructor(parts) {
    this.#parts = parts;
    this.#heartbeat = new Heartbeat(parts.clock, {
      onBeat: () => this.send("ping", parts.ping()),
      onSilent: () => this.#drop("heartbeat_lost"),
    });
  }

  get state() {
    return this.#state;
  }

  get connected() {
    return this.#state.state === "connected";
  }

  /** Connects now, also when waiting for a later attempt. */
  open() {
    if (this.#state.state !== "disconnected") return;
    this.#parts.clock.clearTimeout(this.#reconnectTimer);
    void this.#start();
  }

  close() {
    this.#parts.clock.clearTimeout(this.#reconnectTimer);
    this.#detach(1000);
    this.#setState({ state: "disconnected", reason: "closed" });
  }

  /** The network seems to be gone: find out at once instead of at the next heartbeat. */
  probe() {
    this.#heartbeat.probe(PROBE_MS);
  }

  /**
   * @param {string} name
   * @param {object} body
   * @returns {boolean} false when there is no connection to write to
   */
  send(name, body) {
    if (!this.connected) return false;
    return this.#write(name, body);
  }

  async #start() {
    /** @type {Attempt} */
    const attempt = { socket: null, token: "", timer: undefined };
    this.#attempt = attempt;
    this.#errorCode = null;
    this.#setState({ state: "connecting" });
    attempt.timer = this.#parts.clock.setTimeout(() => this.#drop("hello_timeout"), WELCOME_TIMEOUT_MS);
    try {
      attempt.token = await this.#parts.token(this.#refusedToken);
    } catch (error) {
      if (this.#attempt === attempt) this.#tokenUnavailable(error);
      return;
    }
    if (this.#attempt === attempt) this.#openSocket(attempt);
  }

  /** @param {Attempt} attempt */
  #openSocket(attempt) {
    const socket = new this.#parts.WebSocket(this.#parts.url, [SUB_PROTOCOL]);
    socket.binaryType = "arraybuffer";
    attempt.socket = socket;
    const live = () => this.#attempt === attempt;
    socket.addEventListener("open", () => {
      if (live()) this.#write("hello", this.#parts.hello(attempt.token));
    });
    socket.addEventListener("message", ({ data }) => {
      if (live()) this.#receive(data);
    });
    socket.addEventListener("close", ({ code, reason }) => {
      if (live()) this.#closed(code, reason);
    });
    // A failed socket always closes as well; without a listener Node would throw.
    socket.addEventListener("error", () => {});
  }

  /** @param {ArrayBuffer} data */
  #receive(data) {
    this.#heartbeat.heard();
    const frame = decodeFrame(data);
    if (frame === null) return;
    const { name, body } = frame;
    if (name === "welcome") this.#welcomed(body);
    else if (name === "error" && body.ref == null) this.#errorCode = body.code;
    else if (name === "draining") this.#drainAfterMs = body.reconnect_after_ms ?? 0;
    this.#parts.onFrame(name, body);
  }

  /** @param {import("./types.js").Welcome} welcome */
  #welcomed(welcome) {
    this.#parts.clock.clearTimeout(this.#attempt?.timer);
    this.#failures = 0;
    this.#refreshed = false;
    this.#refusedToken = undefined;
    this.#drainAfterMs = 0;
    this.#heartbeat.start(welcome.heartbeat_ms);
    this.#setState({ state: "connected" });
  }

  /** @param {string} reason the socket is given up from this side */
  #drop(reason) {
    this.#detach(4900);
    this.#reconnectLater(ABNORMAL, reason);
  }

  /** @param {number} code @param {string} reason */
  #closed(code, reason) {
    const token = this.#attempt?.token;
    this.#detach();
    const next = afterClose({
      code,
      errorCode: this.#errorCode,
      refreshed: this.#refreshed,
      reconnectOnReplaced: this.#parts.reconnectOnReplaced,
    });
    const why = reason || this.#errorCode || "connection_lost";
    if (next === "stop") {
      this.#setState({ state: "disconnected", code, reason: why });
    } else if (next === "refresh") {
      this.#refreshed = true;
      this.#refusedToken = token;
      void this.#start();
    } else {
      this.#reconnectLater(code, why);
    }
  }

  /** @param {unknown} error */
  #tokenUnavailable(error) {
    this.#detach();
    if (isTemporary(error)) this.#reconnectLater(ABNORMAL, "unreachable");
    else this.#setState({ state: "disconnected", reason: "signed_out" });
  }

  /** @param {number} code @param {string} reason */
  #reconnectLater(code, reason) {
    const { clock, random } = this.#parts;
    const delayMs = this.#drainAfterMs + fullJitterMs(this.#failures, random);
    this.#failures += 1;
    this.#drainAfterMs = 0;
    this.#reconnectTimer = clock.setTimeout(() => this.open(), delayMs);
    this.#setState({
      state: "disconnected",
      code,
      reason,
      reconnect_at_ms: clock.now() + delayMs,
    });
  }

  /** Ends the current attempt; what its socket still says is ignored. @param {number} [code] */
  #detach(code) {
    const attempt = this.#attempt;
    this.#attempt = null;
    this.#heartbeat.stop();
    this.#parts.clock.clearTimeout(attempt?.timer);
    if (code !== undefined) attempt?.socket?.close(code);
  }

  /** @param {string} name @param {object} body */
  #write(name, body) {
    const socket = this.#attempt?.socket;
    if (socket?.readyState !== 1) return false;
    socket.send(encodeFrame(name, body));
    return true;
  }

  /** @param {ConnectionState} state */
  #setState(state) {
    this.#state = state;
    this.#parts.onState(state);
  }
}
