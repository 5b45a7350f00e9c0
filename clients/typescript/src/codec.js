// Frames to bytes and back. Ids are 16 bytes on the wire and hyphenated text in JavaScript; the
// change happens here and nowhere else.
import { decode, encode } from "../vendor/msgpack.mjs";
import { isUuid, uuidBytes, uuidText } from "./uuid.js";

export const SUB_PROTOCOL = "switchboard.v1.msgpack";

const ID_KEYS = new Set(["node", "to", "by"]);
const ID_LIST_KEYS = new Set(["mentions", "removed", "banned", "unbanned", "user_ids"]);

/** @param {string} key */
const holdsId = (key) => key.endsWith("_id") || ID_KEYS.has(key);

/**
 * @param {unknown} value
 * @param {(value: unknown) => unknown} convertId
 * @returns {unknown}
 */
function mapIds(value, convertId) {
  if (Array.isArray(value)) return value.map((item) => mapIds(item, convertId));
  if (value === null || typeof value !== "object" || value instanceof Uint8Array) return value;
  /** @type {Record<string, unknown>} */
  const mapped = {};
  for (const [key, inner] of Object.entries(value)) {
    if (holdsId(key)) mapped[key] = convertId(inner);
    else if (ID_LIST_KEYS.has(key) && Array.isArray(inner)) mapped[key] = inner.map(convertId);
    else mapped[key] = mapIds(inner, convertId);
  }
  return mapped;
}

/** @param {unknown} value */
const toWireId = (value) => (isUuid(value) ? uuidBytes(value) : value);

/** @param {unknown} value */
const fromWireId = (value) =>
  value instanceof Uint8Array && value.length === 16 ? uuidText(value) : value;

/**
 * @param {string} name
 * @param {object} body
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function encodeFrame(name, body) {
  return encode({ [name]: mapIds(body, toWireId) }, { ignoreUndefined: true });
}

/**
 * @param {ArrayBuffer | Uint8Array} bytes
 * @returns {{ name: string, body: any } | null} null when the bytes are no frame
 */
export function decodeFrame(bytes) {
  let value;
  try {
    value = decode(bytes);
  } catch {
    return null;
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) return null;
  const names = Object.keys(value);
  if (names.length !== 1) return null;
  const body = mapIds(/** @type {any} */ (value)[names[0]], fromWireId);
  return body !== null && typeof body === "object" ? { name: names[0], body } : null;
}

/**
 * Log entries share a shape whatever their kind. A kind this SDK does not know still takes a
 * number, so it must be recognised or it would look like a hole for ever.
 * @param {string} name
 * @param {any} body
 * @returns {import("./types.js").Entry | null}
 */
export function asEntry(name, body) {
  const isEntry =
    Number.isInteger(body?.seq) &&
    Number.isInteger(body.sent_at) &&
    typeof body.conversation_id === "string" &&
    typeof body.sender_id === "string";
  return isEntry ? { kind: name, ...body } : null;
}

/**
 * @param {any[]} items the `entries` of a history page: `{name: body}` each
 * @returns {import("./types.js").Entry[]}
 */
export function asEntries(items) {
  return items.flatMap((item) => {
    const [name] = Object.keys(item);
    return asEntry(name, item[name]) ?? [];
  });
}

/**
 * @param {string} conversation_id
 * @param {any} page of history, by socket or REST
 * @returns {import("./types.js").HistoryPage}
 */
export function asPage(conversation_id, { entries, head, states, purged_up_to }) {
  return { conversation_id, entries: asEntries(entries), head, states: states ?? [], purged_up_to: purged_up_to ?? 0 };
}
