// Shapes of what belongs to one user, and of bans, invites and link previews.

/** @typedef {import("./types.js").Content} Content */
/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./types.js").UserView} UserView */

/** @typedef {"everyone" | "contacts" | "nobody"} Visibility */
/** @typedef {{ read_receipts: boolean, presence: Visibility, last_seen: Visibility }} Settings */

/** @typedef {{ text: string, reply_to?: number, updated_at: number }} Draft of two the later counts */

/**
 * How one holds a conversation.
 * @typedef {{ muted_until?: number | null, archived?: boolean, pinned?: boolean }} Holding
 */

/**
 * @typedef {object} OwnConversation
 * @property {string} conversation_id
 * @property {number | null} [muted_until]
 * @property {boolean} [archived]
 * @property {boolean} [pinned]
 * @property {Draft} [draft]
 * @property {number[]} hidden messages that this user deleted for themselves
 * @property {{ thread: number, read: number, following?: boolean }[]} threads `following` where it was said by hand
 */

/**
 * A message to be sent later.
 * @typedef {object} Scheduled
 * @property {string} scheduled_id
 * @property {string} conversation_id
 * @property {Content} content
 * @property {number} [reply_to]
 * @property {string[]} [mentions]
 * @property {number} send_at
 * @property {"pending" | "failed"} state
 * @property {string} [failure] an error code
 */

/**
 * @typedef {object} Thread
 * @property {number} thread the message that it is about
 * @property {Entry} [root] that message, when this user may see it
 * @property {number} replies
 * @property {number} last_seq
 * @property {string[]} participants the last first
 * @property {boolean} following
 * @property {number} read
 * @property {number} unread
 */

/** @typedef {{ entries: Entry[], states: import("./types.js").MessageState[], read: number }} ThreadPage */

/** @typedef {{ user_id: string, seq: number, banned_by: string, banned_at: number }} Ban */

/**
 * @typedef {object} Invite
 * @property {string} invite_id
 * @property {string} created_by
 * @property {number} created_at
 * @property {number} expires_at
 * @property {number} [uses_max]
 * @property {number} uses
 */

/** Its token is told this once. @typedef {Invite & { token: string, url_path: string }} NewInvite */

/**
 * Where an invite leads.
 * @typedef {object} InvitePreview
 * @property {string} conversation_id
 * @property {import("./types.js").ConversationKind} kind
 * @property {string} [name]
 * @property {string} [description]
 * @property {string} [photo]
 * @property {number} member_count
 * @property {boolean} is_member
 */

/** @typedef {{ url: string, title?: string | null, description?: string | null, image_url?: string | null, site_name?: string | null }} LinkPreview */

/**
 * Absent fields stay as they are, `null` takes a value away.
 * @typedef {object} ConversationPatch
 * @property {string} [name]
 * @property {string | null} [description]
 * @property {string | null} [photo]
 * @property {number | null} [disappear_after_ms]
 * @property {number | null} [retention_days]
 * @property {import("./types.js").Posting} [posting]
 */

export {};
