// Who is meant by the names in a text. Pure.
import { EVERYONE, HERE } from "/sdk/src/index.js";

/** @typedef {import("./chat.js").MemberView} MemberView */

const NAME = /(?<![\p{L}\p{N}_@.])@([a-z0-9._-]+)/giu;
/** The word that is being written before the cursor. */
const BEGUN = /(?:^|[\s(])@([\p{L}\p{N}._-]*)$/u;
const OFFERED_MAX = 6;
const MENTIONS_MAX = 100;
const FOR_ALL = new Map([["everyone", EVERYONE], ["here", HERE]]);

/** @typedef {{ token: string, name: string, about: string, userId?: string }} Offer */

/** @type {Offer[]} */
const ALL = [
  { token: "everyone", name: "everyone", about: "All members" },
  { token: "here", name: "here", about: "Members who are there" },
];

/**
 * @param {string} text @param {MemberView[]} members
 * @returns {{ mentions?: string[] }}
 */
export function mentionsIn(text, members) {
  const names = [...text.matchAll(NAME)].map(([, name]) => name.toLowerCase());
  const byName = new Map(members.map(({ username, user_id }) => [username, user_id]));
  // A full stop may end the sentence instead of the name.
  const ids = names.flatMap((name) => idOf(name) ?? idOf(name.replace(/[._-]+$/u, "")) ?? []);
  return ids.length === 0 ? {} : { mentions: [...new Set(ids)].slice(0, MENTIONS_MAX) };

  /** @param {string} name */
  function idOf(name) {
    return byName.get(name) ?? (members.length > 0 ? FOR_ALL.get(name) : undefined);
  }
}

/** @param {string} before the text up to the cursor @returns {string | null} the name that is begun */
export const begunName = (before) => before.match(BEGUN)?.[1] ?? null;

/** @param {string} begun @param {MemberView[]} members others @param {boolean} [mayCallAll] @returns {Offer[]} */
export function offersFor(begun, members, mayCallAll = true) {
  const wanted = begun.toLowerCase();
  const people = members
    .filter(({ username, display_name }) => username.startsWith(wanted) || display_name.toLowerCase().split(/\s+/u).some((word) => word.startsWith(wanted)))
    .map(({ username, display_name, user_id }) => ({ token: username, name: display_name, about: `@${username}`, userId: user_id }));
  const all = mayCallAll ? ALL : [];
  return [...people, ...all.filter(({ token }) => token.startsWith(wanted))].slice(0, OFFERED_MAX);
}
