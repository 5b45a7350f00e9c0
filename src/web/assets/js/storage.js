// What the page keeps in the browser: the sign-in, unsent messages, drafts, the theme.
import { webOutbox, webSession } from "/sdk/src/index.js";

export const sessionStorage = webSession(localStorage);

/** @param {string} userId */
const outboxPrefix = (userId) => `switchboard.outbox.${userId}.`;
/** @param {string} userId */
const draftPrefix = (userId) => `switchboard.draft.${userId}.`;
/** Marks drafts that the server may not have. @param {string} userId */
const unsavedPrefix = (userId) => `switchboard.unsaved.${userId}.`;

/** One outbox an account: what one person wrote must never leave as another. @param {string} userId */
export const outboxOf = (userId) => webOutbox(localStorage, outboxPrefix(userId));

/** @param {string} userId */
export function draftsOf(userId) {
  const prefix = draftPrefix(userId);
  const unsaved = unsavedPrefix(userId);
  return {
    /** @param {string} chatId whether it was written here and perhaps never reached the server */
    isUnsaved: (chatId) => localStorage.getItem(unsaved + chatId) !== null,
    /** @param {string} chatId @param {boolean} is */
    markUnsaved(chatId, is) {
      if (is) localStorage.setItem(unsaved + chatId, "1");
      else localStorage.removeItem(unsaved + chatId);
    },
    /** @param {string} chatId */
    get: (chatId) => localStorage.getItem(prefix + chatId) ?? "",
    /** @param {string} chatId @param {string} text */
    set(chatId, text) {
      try {
        if (text === "") localStorage.removeItem(prefix + chatId);
        else localStorage.setItem(prefix + chatId, text);
      } catch {
        // A full storage costs the draft's survival, nothing else.
      }
    },
  };
}

/** Leaves nothing of an account behind on a machine others may use. @param {string} userId */
export function eraseTraces(userId) {
  const prefixes = [outboxPrefix(userId), draftPrefix(userId), unsavedPrefix(userId)];
  for (const key of Object.keys(localStorage)) {
    if (prefixes.some((prefix) => key.startsWith(prefix))) localStorage.removeItem(key);
  }
}
