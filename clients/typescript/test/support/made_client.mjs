// A client over a fake socket and a fake clock, and what it said.
import { SwitchboardClient, memorySession } from "../../src/index.js";
import { DEVICE, ME, welcomeBody } from "./entries.mjs";
import { FakeClock, settle } from "./fake_clock.mjs";
import { FakeSocket } from "./fake_socket.mjs";

/** @param {object} [options] @param {(url: string, init: any) => any} [respond] */
export function makeClient(options = {}, respond = () => ({ status: 404, body: {} })) {
  const clock = new FakeClock();
  const session = memorySession();
  session.save({
    user_id: ME,
    device_id: DEVICE,
    access_token: "first",
    refresh_token: "refresh",
    expires_at: clock.now() + 900_000,
  });
  const fetch = async (/** @type {any} */ url, /** @type {any} */ init) => {
    const { status, body } = respond(String(url), init);
    return new Response(JSON.stringify(body), { status });
  };
  const client = new SwitchboardClient({
    baseUrl: "https://chat.test",
    WebSocket: /** @type {any} */ (FakeSocket),
    session,
    fetch,
    clock,
    random: () => 0.5,
    ...options,
  });
  /** @type {any[]} */
  const log = [];
  for (const type of ["state", "entry", "message_state", "change_state", "status", "typing", "presence", "created", "resync", "hidden", "server_error", "frame",
    "conversations", "settings", "conversation_settings", "draft", "message_hidden", "thread_read", "thread_followed", "block", "scheduled"]) {
    client.addEventListener(type, (event) => log.push([type, /** @type {CustomEvent} */ (event).detail]));
  }
  /** @param {string} type */
  const seen = (type) => log.filter(([name]) => name === type).map(([, detail]) => detail);
  return { client, clock, session, seen };
}

/** @param {ReturnType<typeof makeClient>} made @param {object} [welcome] */
export async function connect(made, welcome) {
  made.client.connect();
  await settle();
  FakeSocket.last.accept();
  FakeSocket.last.deliver("welcome", welcomeBody(welcome));
  return FakeSocket.last;
}
