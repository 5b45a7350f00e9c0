// What the server tells of what is this user's own: changes that another device made.

/** Frame to event; the body is the detail. @type {Record<string, string>} */
const EVENTS = {
  settings_changed: "settings",
  conversation_settings: "conversation_settings",
  message_hidden: "message_hidden",
  thread_read: "thread_read",
  thread_followed: "thread_followed",
  block_changed: "block",
  scheduled_changed: "scheduled",
};

/**
 * @param {string} name @param {any} body
 * @returns {{ type: string, detail: any } | null} null when the frame is about something else, or answers a request
 */
export function ownEvent(name, body) {
  const type = EVENTS[name];
  if (type === undefined || body.ref != null) return null;
  // Fields that are not there are not set.
  if (type !== "conversation_settings") return { type, detail: body };
  const { conversation_id, muted_until, archived, pinned } = body;
  return { type, detail: { conversation_id, muted_until: muted_until ?? null, archived: archived ?? false, pinned: pinned ?? false } };
}
