// Who is meant by the names in a text. Pure.

/** @typedef {import("./chat.js").MemberView} MemberView */

const NAME = /(?<![\p{L}\p{N}_@.])@([a-z0-9._-]+)/giu;
/** The word that is being written before the cursor. */
const BEGUN = /(?:^|[\s(])@([\p{L}\p{N}._-]*)$/u;
const OFFERED_MAX = 6;

/** @typedef {{ token: string, name: string, about: string, userId?: string }} Offer */

/** @type {Offer[]} */
const ALL = [
  { token: "everyone", name: "everyone", about: "All members" },
  { token: "here", name: "here", about: "Members who are there" },
];

/**
 * @param {string} text @param {MemberView[]} members
 * @returns {{ mentions?: string[], mention_all?: "everyone" | "here" }}
 */
export function mentionsIn(text, members) {
  const names = [...text.matchAll(NAME)].map(([, name]) => name.toLowerCase());
  const byName = new Map(members.map(({ username, user_id }) => [username, user_id]));
  // A full stop may end the sentence instead of the name.
  const ids = names.flatMap((name) => byName.get(name) ?? byName.get(name.replace(/[._-]+$/u, "")) ?? []);
  const all = names.map((name) => name.replace(/[._-]+$/u, ""));
  const mention_all = all.includes("everyone") ? "everyone" : all.includes("here") ? "here" : undefined;
  return {
    ...(ids.length > 0 && { mentions: [...new Set(ids)].slice(0, 100) }),
    ...(mention_all && { mention_all }),
  };
}

/** @param {string} before the text up to the cursor @returns {string | null} the name that is begun */
export const begunName = (before) => before.match(BEGUN)?.[1] ?? null;

/** @param {string} begun @param {MemberView[]} members others @returns {Offer[]} */
export function offersFor(begun, members) {
  const wanted = begun.toLowerCase();
  const people = members
    .filter(({ username, display_name }) => username.startsWith(wanted) || display_name.toLowerCase().split(/\s+/u).some((word) => word.startsWith(wanted)))
    .map(({ username, display_name, user_id }) => ({ token: username, name: display_name, about: `@${username}`, userId: user_id }));
  return [...people, ...ALL.filter(({ token }) => token.startsWith(wanted))].slice(0, OFFERED_MAX);
}
