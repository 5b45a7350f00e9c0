export const BACKOFF_BASE_MS = 500;
export const BACKOFF_CAP_MS = 30_000;

/**
 * Full jitter: anywhere between nothing and a ceiling that doubles with each attempt, so that
 * clients cut off together do not come back together.
 * @param {number} attempt failures so far, from 0
 * @param {() => number} random
 * @param {{ baseMs?: number, capMs?: number }} [bounds]
 * @returns {number}
 */
export function fullJitterMs(attempt, random, bounds = {}) {
  const baseMs = bounds.baseMs ?? BACKOFF_BASE_MS;
  const capMs = bounds.capMs ?? BACKOFF_CAP_MS;
  // 2 ** 20 is far above any cap; more would overflow into Infinity × 0.
  const ceilingMs = Math.min(capMs, baseMs * 2 ** Math.min(attempt, 20));
  return Math.floor(random() * ceilingMs);
}
