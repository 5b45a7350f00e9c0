const UUID_TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/iu;

let lastMs = 0;
let counter = 0;

/**
 * A UUIDv7 (RFC 9562): ordered by the time of its making, also within one millisecond.
 * @param {number} [nowMs]
 * @returns {string}
 */
export function uuidV7(nowMs = Date.now()) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  // A clock that steps back must not make an id that sorts before the last one.
  if (nowMs > lastMs) {
    lastMs = nowMs;
    counter = ((bytes[6] & 0x07) << 8) | bytes[7];
  } else {
    counter += 1;
    if (counter > 0xfff) {
      lastMs += 1;
      counter = 0;
    }
  }
  const high = Math.floor(lastMs / 2 ** 16);
  bytes[0] = high >>> 24;
  bytes[1] = high >>> 16;
  bytes[2] = high >>> 8;
  bytes[3] = high;
  bytes[4] = lastMs >>> 8;
  bytes[5] = lastMs;
  bytes[6] = 0x70 | (counter >>> 8);
  bytes[7] = counter & 0xff;
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  return uuidText(bytes);
}

/** @param {unknown} value @returns {value is string} */
export function isUuid(value) {
  return typeof value === "string" && UUID_TEXT.test(value);
}

/** @param {string} text @returns {Uint8Array<ArrayBuffer>} */
export function uuidBytes(text) {
  const digits = text.replaceAll("-", "");
  const bytes = new Uint8Array(16);
  for (let index = 0; index < 16; index += 1) {
    bytes[index] = Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16);
  }
  return bytes;
}

/** @param {Uint8Array} bytes 16 of them @returns {string} */
export function uuidText(bytes) {
  let text = "";
  for (let index = 0; index < 16; index += 1) {
    if (index === 4 || index === 6 || index === 8 || index === 10) text += "-";
    text += bytes[index].toString(16).padStart(2, "0");
  }
  return text;
}

/**
 * When a UUIDv7 was made, milliseconds since 1970 UTC; null for other versions.
 * @param {string} text
 * @returns {number | null}
 */
export function uuidTimeMs(text) {
  if (!isUuid(text) || text[14] !== "7") return null;
  return Number.parseInt(text.slice(0, 8) + text.slice(9, 13), 16);
}
