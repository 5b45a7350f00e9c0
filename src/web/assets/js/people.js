// Who writes and who is there: asking for it, and telling others.

/** @typedef {import("/sdk/src/index.js").SwitchboardClient} SwitchboardClient */
/** @typedef {import("./state.js").State} State */

const WATCHED_MAX = 500;
/** Out of sight for this long is away. */
const AWAY_AFTER_MS = 60_000;

/** @param {SwitchboardClient} client @param {State} state @param {AbortSignal} signal */
export function followPeople(client, state, signal) {
  /** @param {string} type @param {(detail: any) => void} handle */
  const on = (type, handle) =>
    client.addEventListener(type, (event) => handle(/** @type {CustomEvent} */ (event).detail), { signal });
  on("typing", ({ conversation_id, user_ids }) => {
    const others = user_ids.filter((/** @type {string} */ id) => id !== state.myId);
    if (others.length > 0) state.typing.set(conversation_id, others);
    else state.typing.delete(conversation_id);
    state.changed("people");
  });
  on("presence", (presence) => {
    state.presence.set(presence.user_id, presence);
    state.changed("people");
  });
  state.on(["chats", "open"], () => client.subscribePresence(ofInterest(state)));
  followVisibility(client, signal);
}

/** The members of the open chat, and the others of direct chats, latest first. @param {State} state */
function ofInterest(state) {
  const members = (state.open?.members ?? []).map(({ user_id }) => user_id);
  const peers = state.chatsByActivity().flatMap(({ peer }) => peer?.user_id ?? []);
  const ids = [...new Set([...members, ...peers])].filter((id) => id !== state.myId);
  // The same people in another order are not worth a frame.
  return ids.slice(0, WATCHED_MAX).sort();
}

/** @param {SwitchboardClient} client @param {AbortSignal} signal */
function followVisibility(client, signal) {
  /** @type {any} */
  let timer;
  const changed = () => {
    clearTimeout(timer);
    if (!document.hidden) client.setPresence("online");
    else timer = setTimeout(() => client.setPresence("away"), AWAY_AFTER_MS);
  };
  document.addEventListener("visibilitychange", changed, { signal });
  changed();
  signal.addEventListener("abort", () => clearTimeout(timer));
}
