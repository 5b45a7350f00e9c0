const REPLACED = 4004;
const BAD_TOKEN = 4501;

/**
 * What to do after a socket closed. 4000–4499 and everything below (network trouble, a proxy's
 * 1001, 1006) means come back; 4500–4999 means stay away, unless only the token was too old.
 * @param {object} closed
 * @param {number} closed.code
 * @param {string | null} closed.errorCode code of the last `error` frame without a `ref`
 * @param {boolean} closed.refreshed the token was already renewed for this attempt
 * @param {boolean} closed.reconnectOnReplaced
 * @returns {"reconnect" | "refresh" | "stop"}
 */
export function afterClose({ code, errorCode, refreshed, reconnectOnReplaced }) {
  if (code === REPLACED) return reconnectOnReplaced ? "reconnect" : "stop";
  if (code === BAD_TOKEN && errorCode === "token_expired") return refreshed ? "stop" : "refresh";
  return code >= 4500 && code <= 4999 ? "stop" : "reconnect";
}
