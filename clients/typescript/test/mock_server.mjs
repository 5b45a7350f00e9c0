#!/usr/bin/env node
// An in-memory stand-in for a Switchboard server, for tests of clients: REST, the socket and the
// chat page, with faults drawn from a seed. It keeps nothing and proves nothing about a server.
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { WebSocketServer } from "ws";
import { seededRandom } from "./mock/random.mjs";
import { answer } from "./mock/rest.mjs";
import { MockSocket } from "./mock/socket.mjs";
import { World } from "./mock/world.mjs";

const sdkRoot = fileURLToPath(new URL("..", import.meta.url));
const pageRoot = path.join(sdkRoot, "..", "..", "src", "web", "assets");
const CONTENT_SECURITY_POLICY =
  "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data: blob:; style-src 'self'; " +
  "script-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";
/** @type {Record<string, string>} */
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".webmanifest": "application/manifest+json",
};

/** @typedef {{ name: string, body: any, device_id: string | null }} ReceivedFrame */

export class MockServer {
  /** @type {Set<MockSocket>} */
  sockets = new Set();
  /** Every frame clients sent, oldest first. @type {ReceivedFrame[]} */
  received = [];

  /**
   * @param {object} [options]
   * @param {import("./mock/socket.mjs").Faults} [options.faults]
   * @param {number} [options.seed]
   * @param {number} [options.heartbeatMs]
   * @param {number} [options.accessTokenMs]
   */
  constructor({ faults = {}, seed = 1, heartbeatMs = 30_000, accessTokenMs = 900_000 } = {}) {
    this.faults = faults;
    this.random = seededRandom(seed);
    this.heartbeatMs = heartbeatMs;
    this.world = new World({ accessTokenMs });
    this.world.listeners.push((conversation, frame, fromDevice) => {
      for (const socket of this.sockets) {
        if (socket.me === null || socket.me.device_id === fromDevice) continue;
        if (conversation.members.has(socket.me.user_id)) socket.push(frame);
      }
    });
    this.world.createdListeners.push(({ conversation_id, members }) => {
      const news = { conversation_id, gen: 0, head: 0, reason: "created" };
      for (const socket of this.sockets) {
        if (socket.me !== null && members.has(socket.me.user_id)) socket.write("resync", news);
      }
    });
    this.world.userListeners.push((userId, frame, fromDevice) => {
      const [name] = Object.keys(frame);
      for (const socket of this.sockets) {
        if (socket.me?.user_id === userId && socket.me.device_id !== fromDevice) socket.write(name, frame[name]);
      }
    });
    this.http = createServer((request, response) => void this.#serve(request, response));
    const protocols = (/** @type {Set<string>} */ offered) =>
      offered.has("switchboard.v1.msgpack") && "switchboard.v1.msgpack";
    this.upgrades = new WebSocketServer({ server: this.http, path: "/ws", handleProtocols: protocols });
    this.upgrades.on("connection", (socket) => this.sockets.add(new MockSocket(socket, this)));
  }

  /** @param {number} [port] @returns {Promise<this>} */
  async listen(port = 0) {
    this.http.listen(port, "127.0.0.1");
    await once(this.http, "listening");
    return this;
  }

  get address() {
    return `127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (this.http.address()).port}`;
  }

  get url() {
    return `http://${this.address}`;
  }

  async close() {
    for (const socket of this.upgrades.clients) socket.terminate();
    this.http.closeAllConnections();
    this.http.close();
    await once(this.http, "close");
  }

  /**
   * @param {import("node:http").IncomingMessage} request
   * @param {import("node:http").ServerResponse} response
   */
  async #serve(request, response) {
    const url = new URL(request.url ?? "/", this.url);
    if (url.pathname.startsWith("/v1/")) {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString();
      const token = (request.headers.authorization ?? "").replace(/^Bearer /u, "");
      const body = text === "" ? null : JSON.parse(text);
      const result = answer(this.world, { method: request.method ?? "GET", url, token, body });
      response.writeHead(result.status, { "content-type": result.type });
      response.end(result.body === undefined ? "" : JSON.stringify(result.body));
      return;
    }
    try {
      const file = filePath(decodeURIComponent(url.pathname));
      const content = await readFile(file);
      response.writeHead(200, {
        "content-type": TYPES[path.extname(file)] ?? "application/octet-stream",
        "content-security-policy": CONTENT_SECURITY_POLICY,
        "cache-control": "no-cache",
      });
      response.end(content);
    } catch {
      response.writeHead(404).end();
    }
  }
}

/** @param {string} pathname */
function filePath(pathname) {
  if (pathname.includes("..")) throw new Error("not below the root");
  if (pathname.startsWith("/sdk/")) return path.join(sdkRoot, pathname.slice(5));
  return path.join(pageRoot, pathname === "/" ? "index.html" : pathname);
}

// Takes the arguments of `switchboard serve`, so that tests can start either.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    allowPositionals: true,
    options: {
      listen: { type: "string", default: "127.0.0.1:8080" },
      "internal-listen": { type: "string" },
      "data-dir": { type: "string" },
      seed: { type: "string", default: "1" },
      faults: { type: "string", default: "{}" },
    },
  });
  const server = new MockServer({ seed: Number(values.seed), faults: JSON.parse(values.faults) });
  await server.listen(Number(values.listen.split(":").at(-1)));
  if (values["data-dir"] !== undefined) {
    await mkdir(values["data-dir"], { recursive: true });
    const addresses = { public: server.address, internal: server.address };
    await writeFile(path.join(values["data-dir"], "addresses.json"), JSON.stringify(addresses));
  }
  console.log(`mock server on ${server.url}, seed ${values.seed}`);
}
