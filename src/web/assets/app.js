// The door of the page: decides between signing in and chatting, and wires the rooms together.
import { SwitchboardClient, SwitchboardError } from "/sdk/src/index.js";
import { Actions } from "./js/actions.js";
import { openJoin } from "./js/dialogs/join.js";
import { fill } from "./js/dom.js";
import { Drafts } from "./js/drafts.js";
import { Own } from "./js/own.js";
import { followPeople } from "./js/people.js";
import { probePreviews, probeSearch } from "./js/search.js";
import { State } from "./js/state.js";
import { eraseTraces, draftsOf, outboxOf, sessionStorage } from "./js/storage.js";
import { Sync } from "./js/sync.js";
import { toast } from "./js/toast.js";
import { announcer } from "./js/views/announcer.js";
import { authView } from "./js/views/auth.js";
import { shellView } from "./js/views/shell.js";

const root = /** @type {HTMLElement} */ (document.getElementById("app"));
const baseUrl = location.origin;
const RETRY_MS = 2_000;
/** What an invite link has behind the `#`. */
const INVITE = /^\/(?:invite|join)\/([\w.~-]+)$/u;

/** @param {string} [notice] */
function showSignIn(notice) {
  document.title = "Sign in · Switchboard";
  const client = new SwitchboardClient({ baseUrl, session: sessionStorage });
  fill(root, authView(client, { notice, onSignedIn: () => void showChats() }));
}

async function showChats() {
  const userId = /** @type {string} */ (sessionStorage.load()?.user_id);
  const client = new SwitchboardClient({ baseUrl, session: sessionStorage, outbox: outboxOf(userId) });
  const state = new State(userId);
  const life = new AbortController();

  /** @param {string} [notice] */
  function end(notice) {
    if (life.signal.aborted) return;
    life.abort();
    client.close();
    sessionStorage.save(null);
    eraseTraces(userId);
    history.replaceState(null, "", "/");
    showSignIn(notice);
  }

  const sync = new Sync(client, state, {
    onIncoming: (entry) => announce(entry),
    onRemoved: (id) => actions.removed(id),
    onReload: (id) => {
      if (state.openId === id) void actions.loadOlder(state.chat(id));
    },
    onConnected: () => {
      actions.messages.connected(state.open);
      void probeSearch(client, state);
      void probePreviews(client, state);
      void own.read();
      drafts.resume();
      if (state.open !== null) void actions.threads.learn(state.open, state.open.heldFrom, true);
    },
    onDraft: (id, draft) => drafts.listed(id, draft),
    onThread: (id, thread) => void actions.threads.learnOne(state.chat(id), thread),
    onSignedOut: () => end("You were signed out. Please sign in again."),
  });
  const own = new Own(client, state, toast, life.signal);
  const drafts = new Drafts(client, state, draftsOf(userId), life.signal);
  const actions = new Actions(client, state, sync, own, toast);
  const announce = announcer(state);
  /** @type {import("./js/views/shell.js").Rooms} */
  const rooms = {
    client,
    state,
    actions,
    drafts,
    onSignOut: async () => {
      await client.logout();
      end();
    },
  };
  fill(root, shellView(rooms));

  // What an earlier visit left unsent shows up before anything else is known.
  for (const item of outboxOf(userId).load()) {
    const failed = item.state === "failed";
    const chat = state.chat(item.conversation_id);
    if (item.change !== undefined) chat.states.pend(item, userId);
    else chat.outgoing.set(item.message_id, { item, state: failed ? "failed" : "pending" });
  }
  const follow = () => {
    const name = decodeURIComponent(location.hash.slice(1));
    const invite = INVITE.exec(name)?.[1];
    actions.open(invite === undefined ? name || null : null);
    if (invite === undefined) return;
    history.replaceState(null, "", "/");
    openJoin(rooms, invite);
  };
  const { signal } = life;
  followPeople(client, state, signal);
  window.addEventListener("hashchange", follow, { signal });
  window.addEventListener("online", () => client.connect(), { signal });
  window.addEventListener("offline", () => client.probe(), { signal });
  window.addEventListener("storage", () => sessionStorage.load() === null && end(), { signal });
  const hurry = () => !document.hidden && client.state.reconnect_at_ms !== undefined && client.connect();
  document.addEventListener("visibilitychange", hurry, { signal });
  await begin(sync, signal);
  if (signal.aborted) return;
  follow();
  client.connect();
}

/** Keeps trying while the server is out of reach. @param {Sync} sync @param {AbortSignal} signal */
async function begin(sync, signal) {
  while (!signal.aborted) {
    try {
      return await sync.start();
    } catch (error) {
      const refused = error instanceof SwitchboardError && error.status === 401;
      if (refused || sync.client.session === null) return sync.handlers.onSignedOut();
      sync.state.connection = { state: "disconnected", reason: "unreachable", reconnect_at_ms: Date.now() + RETRY_MS };
      sync.state.changed("connection");
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
  return undefined;
}

if (sessionStorage.load() === null) showSignIn();
else void showChats();
