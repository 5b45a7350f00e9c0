// The server under test: one that runs already, or one started for this run.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;

/**
 * @typedef {object} Server
 * @property {string} url
 * @property {() => Promise<void>} stop
 * @property {(() => Promise<void>) | null} crash ends it at once and starts it again over the same
 *   data; null when it is not ours to end, or keeps nothing
 * @property {(() => Promise<{ url: string, token: string }>) | null} operator its page for
 *   operators, and the token for it; null when it is not ours
 */

/**
 * @param {string[]} [settings] `key=value`, for a server of one's own
 * @returns {Promise<Server>}
 */
export async function startServer(settings = []) {
  const { SWITCHBOARD_URL: url, SWITCHBOARD_BIN: binary } = process.env;
  if (url) return { url: url.replace(/\/$/u, ""), stop: async () => {}, crash: null, operator: null };
  if (!binary) throw new Error("Set SWITCHBOARD_URL, or SWITCHBOARD_BIN to a server to start.");
  const child = new ServerProcess(path.resolve(binary), await mkdtemp(path.join(tmpdir(), "switchboard-browser-")), settings);
  const address = await child.start("127.0.0.1:0");
  return {
    url: `http://${address}`,
    stop: () => child.remove(),
    crash: binary.endsWith(".mjs") ? null : async () => {
      await child.end("SIGKILL");
      await child.start(address);
    },
    operator: binary.endsWith(".mjs") ? null : () => child.operator(),
  };
}

class ServerProcess {
  /** @type {import("node:child_process").ChildProcess | null} */
  #child = null;

  /** @param {string} binary @param {string} dataDir @param {string[]} settings */
  constructor(binary, dataDir, settings) {
    this.settings = settings.flatMap((setting) => ["--set", setting]);
    this.binary = binary;
    this.dataDir = dataDir;
  }

  /** @param {string} listen @returns {Promise<string>} the public address */
  async start(listen) {
    const addressFile = path.join(this.dataDir, "addresses.json");
    await rm(addressFile, { force: true });
    const args = ["serve", "--listen", listen, "--internal-listen", "127.0.0.1:0", "--data-dir", this.dataDir, ...this.settings];
    // A server takes every SWITCHBOARD_… variable for a setting and refuses those it does not know.
    const { SWITCHBOARD_BIN: _binary, ...env } = process.env;
    const child = spawn(this.binary, args, { stdio: ["ignore", "inherit", "inherit"], env });
    this.#child = child;
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (child.exitCode === null && Date.now() < deadline) {
      try {
        return JSON.parse(await readFile(addressFile, "utf8")).public;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    const ended = child.exitCode !== null;
    await this.remove();
    throw new Error(ended ? "The server ended before it was ready." : "The server was not ready in time.");
  }

  async operator() {
    const { internal } = JSON.parse(await readFile(path.join(this.dataDir, "addresses.json"), "utf8"));
    const token = await readFile(path.join(this.dataDir, "admin_token"), "utf8");
    return { url: `http://${internal}/admin/`, token: token.trim() };
  }

  /** @param {NodeJS.Signals} signal */
  async end(signal) {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await gone;
    clearTimeout(timer);
  }

  async remove() {
    await this.end("SIGTERM");
    await rm(this.dataDir, { recursive: true, force: true });
  }
}
