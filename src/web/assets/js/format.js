// Times, names and previews as people read them.

/** @typedef {import("/sdk/src/index.js").Entry} Entry */
/** @typedef {import("/sdk/src/index.js").Content} Content */

const clockTime = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const shortWeekday = new Intl.DateTimeFormat(undefined, { weekday: "short" });
const longDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const shortDate = new Intl.DateTimeFormat(undefined, { day: "2-digit", month: "2-digit", year: "2-digit" });
const nameList = new Intl.ListFormat("en", { type: "conjunction" });
const DAY_MS = 86_400_000;

/** @param {number} ms */
export function dayKey(ms) {
  const date = new Date(ms);
  return `${date.getFullYear()}-${date.getMonth()}-${date.getDate()}`;
}

/** Whole days between a time and now, by the calendar. @param {number} ms */
function daysAgo(ms) {
  const midnight = (/** @type {number} */ value) => new Date(value).setHours(0, 0, 0, 0);
  return Math.round((midnight(Date.now()) - midnight(ms)) / DAY_MS);
}

/** @param {number} ms */
export const timeOfDay = (ms) => clockTime.format(ms);

/** @param {number} ms */
export function dayName(ms) {
  const ago = daysAgo(ms);
  if (ago === 0) return "Today";
  if (ago === 1) return "Yesterday";
  if (ago === -1) return "Tomorrow";
  return Math.abs(ago) < 7 ? weekday.format(ms) : longDate.format(ms);
}

/** For the chat list: as short as it can be. @param {number} ms */
export function shortTime(ms) {
  const ago = daysAgo(ms);
  if (ago === 0) return clockTime.format(ms);
  if (ago === 1) return "Yesterday";
  return ago < 7 ? shortWeekday.format(ms) : shortDate.format(ms);
}

/** @param {Content | undefined} content */
export function contentText(content) {
  if (content === undefined) return "";
  if ("text" in content) return content.text.text;
  if ("media" in content) return content.media.caption ?? "Attachment";
  if ("encrypted" in content) return "Encrypted message";
  if ("deleted" in content) return "This message was deleted";
  return "Message from an app";
}

/** @param {string} name */
export function initials(name) {
  const words = name.trim().split(/[\s._-]+/u).filter(Boolean);
  const letters = words.length > 1 ? [...words[0]][0] + [...words[words.length - 1]][0] : [...(words[0] ?? "?")][0];
  return letters.toUpperCase();
}

/** All readable below white text. */
const AVATAR_COLORS = ["#4453dc", "#0d7a6f", "#a63d7a", "#a8501a", "#6c3fc4", "#1c6fa8", "#3a7a2c", "#b03045"];

/** The same colour for the same person everywhere. @param {string} id */
export function colorIndex(id) {
  let hash = 0;
  for (const char of id) hash = (hash * 31 + /** @type {number} */ (char.codePointAt(0))) % 9_973;
  return hash % AVATAR_COLORS.length;
}

/** @param {string} id */
export const avatarColor = (id) => AVATAR_COLORS[colorIndex(id)];

/** @param {string[]} names */
export function listNames(names) {
  return nameList.format(names);
}

/** What a conversation is set to now. @param {Entry} entry */
function settingText({ name, description, photo, disappear_after_ms: afterMs, retention_days: days, posting }) {
  const parts = [
    name && `named this “${name}”`,
    description !== undefined && (description ? "changed the description" : "took the description away"),
    photo !== undefined && (photo ? "changed the photo" : "took the photo away"),
    afterMs !== undefined && (afterMs ? `made new messages disappear after ${durationText(afterMs)}` : "made new messages stay"),
    posting === "admins" && "let only owners and admins write",
    posting === "everyone" && "let everyone write",
    days !== undefined && (days ? `set messages to be kept for ${days} days` : "changed how long messages are kept"),
  ].filter((part) => typeof part === "string");
  return parts.length === 0 ? "changed this conversation" : listNames(parts);
}

/** @type {[number, string][]} */
const LONG_UNITS = [[604_800_000, "week"], [86_400_000, "day"], [3_600_000, "hour"], [60_000, "minute"], [1_000, "second"]];

/** @param {number} ms */
export function durationText(ms) {
  const [unitMs, unit] = LONG_UNITS.find(([size]) => ms >= size && ms % size === 0) ?? LONG_UNITS[4];
  const count = Math.round(ms / unitMs);
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

const ROLE_NAMES = { owner: "an owner", admin: "an admin", member: "a member" };

/** What a change of a message is called where it is the newest entry. @type {Record<string, (entry: Entry) => string>} */
const CHANGE_TEXTS = {
  message_edited: () => "edited a message",
  message_deleted: () => "deleted a message",
  reaction_changed: ({ on, emoji }) => (on ? `reacted with ${emoji}` : "took a reaction back"),
  pin_changed: ({ on }) => (on ? "pinned a message" : "unpinned a message"),
};

/**
 * The text of an entry that is no message.
 * @param {Entry} entry
 * @param {(userId: string) => string} name
 * @returns {string | null} null for kinds this page does not show
 */
export function systemText(entry, name) {
  const actor = name(entry.sender_id);
  const inSentence = (/** @type {string} */ id) => (name(id) === "You" ? "you" : name(id));
  if (entry.kind === "conversation_changed") return `${actor} ${settingText(entry)}`;
  const change = CHANGE_TEXTS[entry.kind]?.(entry);
  if (change !== undefined) return `${actor} ${change}`;
  if (entry.kind !== "members_changed") return null;
  const [changed] = entry.changed ?? [];
  if (changed !== undefined) return `${actor} made ${inSentence(changed.user_id)} ${ROLE_NAMES[changed.role]}`;
  const added = (entry.added ?? []).map(({ user_id }) => user_id).filter((id) => id !== entry.sender_id);
  const { banned = [], unbanned = [] } = entry;
  if (banned.length > 0) return `${actor} banned ${listNames(banned.map(inSentence))}`;
  if (unbanned.length > 0) return `${actor} lifted the ban of ${listNames(unbanned.map(inSentence))}`;
  if (entry.invite_id != null) return `${actor} joined by an invite link`;
  const removed = entry.removed ?? [];
  if (removed.length === 1 && removed[0] === entry.sender_id) return `${actor} left`;
  const parts = [];
  if (added.length > 0) parts.push(`added ${listNames(added.map(inSentence))}`);
  if (removed.length > 0) parts.push(`removed ${listNames(removed.map(inSentence))}`);
  return parts.length > 0 ? `${actor} ${parts.join(" and ")}` : `${actor} created this conversation`;
}

/** @type {[number, string][]} */
const UNITS = [[86_400_000, "d"], [3_600_000, "h"], [60_000, "min"], [1_000, "s"]];

/** How long something still is there, rounded up, short. @param {number} ms */
export function remainingText(ms) {
  const left = Math.max(1_000, ms);
  const [unitMs, unit] = UNITS.find(([size]) => left >= size) ?? UNITS[3];
  return `${Math.ceil(left / unitMs)} ${unit}`;
}

/** After how long {@link remainingText} says less. @param {number} ms */
export function remainingChangesIn(ms) {
  if (ms <= 0) return 0;
  const [unitMs] = UNITS.find(([size]) => ms >= size) ?? UNITS[3];
  return Math.min(ms, (ms % unitMs || unitMs)) + 10;
}

/** @param {number} ms */
export function lastSeen(ms) {
  const ago = daysAgo(ms);
  if (ago === 0) return `last seen at ${clockTime.format(ms)}`;
  return ago === 1 ? `last seen yesterday at ${clockTime.format(ms)}` : `last seen ${shortDate.format(ms)}`;
}

/** Day and time, for lists of what happened when. @param {number} ms */
export const dayAndTime = (ms) => `${dayName(ms)}, ${clockTime.format(ms)}`;

/** @param {string[]} names who writes */
export function typingText(names) {
  if (names.length > 3) return `${names.length} people are typing…`;
  return `${listNames(names)} ${names.length === 1 ? "is" : "are"} typing…`;
}
