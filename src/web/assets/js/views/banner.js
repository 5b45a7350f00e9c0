// How the connection stands, when that is worth knowing.
import { fill, h } from "../dom.js";

/** @typedef {import("/sdk/src/index.js").ConnectionState} ConnectionState */

/** @type {Record<string, string>} */
const STOPPED = {
  forbidden: "You are not allowed to connect.",
  bad_frame: "The server did not understand this page. Reloading may help.",
};

/**
 * @param {import("../state.js").State} state
 * @param {import("/sdk/src/index.js").SwitchboardClient} client
 */
export function bannerView(state, client) {
  const text = h("span", { role: "status" });
  // Not part of the status: a countdown would be read out every second.
  const countdown = h("span", { "aria-hidden": "true" });
  const action = h("button", { type: "button", class: "link-button" });
  const element = h("div", { class: "banner", "data-testid": "status-banner" }, text, countdown, action);
  let onAction = () => {};
  action.addEventListener("click", () => onAction());
  /** @type {any} */
  let ticking;

  function update() {
    clearInterval(ticking);
    const { status, message, label, run } = describe(state.connection, client);
    element.dataset.status = status;
    fill(text, message);
    fill(action, label ?? "");
    action.hidden = label === undefined;
    onAction = run ?? (() => {});
    countdown.hidden = status !== "waiting";
    if (status === "waiting") {
      tick();
      ticking = setInterval(tick, 1_000);
    }
  }

  function tick() {
    const leftMs = (state.connection.reconnect_at_ms ?? 0) - Date.now();
    countdown.textContent = leftMs > 1_000 ? `Next attempt in ${Math.ceil(leftMs / 1_000)} s` : "";
  }

  state.on(["connection"], update);
  update();
  return element;
}

/**
 * @param {ConnectionState} connection
 * @param {import("/sdk/src/index.js").SwitchboardClient} client
 * @returns {{ status: string, message: string, label?: string, run?: () => void }}
 */
function describe(connection, client) {
  if (connection.state === "connected") return { status: "connected", message: "Connected" };
  if (connection.state === "connecting") return { status: "connecting", message: "Connecting…" };
  if (connection.reconnect_at_ms !== undefined) {
    const message = navigator.onLine
      ? "Connection lost. Messages will be sent when it is back."
      : "You are offline. Messages will be sent when you are back.";
    return { status: "waiting", message, label: "Try now", run: () => client.connect() };
  }
  if (connection.reason === "replaced") {
    // Reloading takes over whatever the other tab has done in the meantime.
    const message = "Switchboard is open in another tab.";
    return { status: "replaced", message, label: "Use it here", run: () => location.reload() };
  }
  const message = STOPPED[connection.reason ?? ""] ?? "Disconnected.";
  return { status: "stopped", message, label: "Reconnect", run: () => client.connect() };
}
