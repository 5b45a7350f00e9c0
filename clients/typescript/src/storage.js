/** @typedef {import("./types.js").OutboxItem} OutboxItem */
/** @typedef {import("./types.js").Session} Session */

/**
 * Keeps unsent messages. One record a message, so that two tabs never overwrite each other.
 * @typedef {object} OutboxStorage
 * @property {() => OutboxItem[]} load
 * @property {(item: OutboxItem) => void} put
 * @property {(messageId: string) => void} remove
 */

/**
 * Keeps the sign-in.
 * @typedef {object} SessionStorage
 * @property {() => Session | null} load
 * @property {(session: Session | null) => void} save
 */

/** @typedef {Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">} WebStorage */

/** @returns {OutboxStorage} */
export function memoryOutbox() {
  /** @type {Map<string, OutboxItem>} */
  const items = new Map();
  return {
    load: () => [...items.values()].map((item) => structuredClone(item)),
    put: (item) => void items.set(item.message_id, structuredClone(item)),
    remove: (messageId) => void items.delete(messageId),
  };
}

/** @returns {SessionStorage} */
export function memorySession() {
  /** @type {Session | null} */
  let current = null;
  return {
    load: () => current,
    save: (session) => {
      current = session;
    },
  };
}

/**
 * Unsent messages in `localStorage`: they survive a reload and a closed browser.
 * @param {WebStorage} storage
 * @param {string} [prefix]
 * @returns {OutboxStorage}
 */
export function webOutbox(storage, prefix = "switchboard.outbox.") {
  return {
    load() {
      const items = [];
      for (let index = 0; index < storage.length; index += 1) {
        const key = storage.key(index);
        if (!key?.startsWith(prefix)) continue;
        const item = parse(storage.getItem(key));
        if (item !== null) items.push(item);
      }
      // UUIDv7 sorts by the time of its making.
      return items.sort((a, b) => (a.message_id < b.message_id ? -1 : 1));
    },
    put(item) {
      try {
        storage.setItem(prefix + item.message_id, JSON.stringify(item, bytesToText));
      } catch {
        // A full or forbidden storage costs durability over a reload, not the message itself.
      }
    },
    remove: (messageId) => storage.removeItem(prefix + messageId),
  };
}

/**
 * The sign-in in `localStorage`, shared by the tabs of one browser profile.
 * @param {WebStorage} storage
 * @param {string} [key]
 * @returns {SessionStorage}
 */
export function webSession(storage, key = "switchboard.session") {
  return {
    load: () => parse(storage.getItem(key)),
    save(session) {
      if (session === null) storage.removeItem(key);
      else storage.setItem(key, JSON.stringify(session));
    },
  };
}

/** @param {string | null} text */
function parse(text) {
  if (text === null) return null;
  try {
    return JSON.parse(text, textToBytes);
  } catch {
    return null;
  }
}

/** @param {string} _key @param {unknown} value */
function bytesToText(_key, value) {
  if (!(value instanceof Uint8Array)) return value;
  let binary = "";
  for (const byte of value) binary += String.fromCharCode(byte);
  return { $bytes: btoa(binary) };
}

/** @param {string} _key @param {any} value */
function textToBytes(_key, value) {
  if (typeof value?.$bytes !== "string") return value;
  return Uint8Array.from(atob(value.$bytes), (char) => char.charCodeAt(0));
}
