// Shapes shared by the modules of the SDK. Ids are hyphenated text everywhere in JavaScript;
// times are milliseconds since 1970 UTC; `seq` counts a conversation's entries from 1.

/**
 * @typedef {{ text: { text: string } }
 *   | { media: { media_id: string, caption?: string } }
 *   | { encrypted: { scheme: string, body: Uint8Array } }
 *   | { custom: { type: string, body: string } }} Content
 */

/** @typedef {{ user_id: string, role: "owner" | "admin" | "member" }} Member */

/**
 * An entry of a conversation's log. `kind` is the frame's name: `new_message`,
 * `members_changed`, `conversation_changed`, or one that a later server adds.
 * @typedef {object} Entry
 * @property {string} kind
 * @property {string} conversation_id
 * @property {number} seq
 * @property {string} message_id
 * @property {string} sender_id
 * @property {number} sent_at
 * @property {Content} [content]
 * @property {number} [reply_to]
 * @property {number} [thread]
 * @property {string[]} [mentions]
 * @property {Member[]} [added]
 * @property {string[]} [removed]
 * @property {string | null} [name]
 */

/** @typedef {{ conversation_id: string, seq: number }} Position */

/**
 * @typedef {object} ConversationState
 * @property {string} conversation_id
 * @property {number} gen
 * @property {number} head
 * @property {number} delivered
 * @property {number} read
 */

/**
 * @typedef {object} Welcome
 * @property {string} user_id
 * @property {string} device_id
 * @property {string} connection_id
 * @property {string} node
 * @property {number} server_time
 * @property {number} heartbeat_ms
 * @property {{ frame_bytes_max: number, text_bytes_max: number, history_page_max: number,
 *   sends_per_second: number, sends_burst: number }} limits
 * @property {ConversationState[]} conversations
 */

/** @typedef {{ conversation_id: string, entries: Entry[], head: number }} HistoryPage */

/**
 * @typedef {object} SendOptions
 * @property {number} [reply_to]
 * @property {number} [thread]
 * @property {string[]} [mentions]
 * @property {number} [expires_after_ms]
 */

/** @typedef {{ seq: number, sent_at: number, duplicate: boolean }} SendResult */

/**
 * A message on its way. `waiting` and `in_flight` are both "pending" to a reader; `failed` was
 * refused for good and stays until it is retried or discarded.
 * @typedef {object} OutboxItem
 * @property {string} message_id
 * @property {string} conversation_id
 * @property {Content} content
 * @property {SendOptions} options
 * @property {number} created_at
 * @property {"waiting" | "in_flight" | "failed"} state
 * @property {boolean} maybe_sent   true once its bytes may have reached the server
 * @property {number} attempts
 * @property {number} due_at        not before this time
 * @property {{ code: string, message: string }} [error]
 */

/** @typedef {{ after: number, up_to: number }} MissingRange */

/**
 * @typedef {object} Session
 * @property {string} user_id
 * @property {string} device_id
 * @property {string} access_token
 * @property {string} refresh_token
 * @property {number} expires_at   milliseconds since 1970 UTC, by this machine's clock
 */

/**
 * @typedef {object} ConnectionState
 * @property {"disconnected" | "connecting" | "connected"} state
 * @property {number} [code]            close code of the last socket
 * @property {string} [reason]          why, as a stable name
 * @property {number} [reconnect_at_ms] when the next attempt starts; absent when it will not
 */

/**
 * Time as the SDK sees it, so that tests need not wait.
 * @typedef {object} Clock
 * @property {() => number} now
 * @property {(callback: () => void, delayMs: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 */

/**
 * @typedef {object} UserView
 * @property {string} user_id
 * @property {string} username
 * @property {string} display_name
 * @property {string} [status_text]
 */

/** @typedef {"direct" | "group" | "channel"} ConversationKind */
/** @typedef {"owner" | "admin" | "member"} Role */

/**
 * @typedef {object} ConversationView
 * @property {string} conversation_id
 * @property {ConversationKind} kind
 * @property {string} [name]
 * @property {string} created_by
 * @property {number} created_at
 * @property {number} gen
 * @property {number} head
 * @property {(UserView & { role: Role })[]} members
 */

/**
 * @typedef {object} ChatListItem
 * @property {string} conversation_id
 * @property {ConversationKind} kind
 * @property {string} [name]
 * @property {UserView} [peer]
 * @property {number} gen
 * @property {number} head
 * @property {number} read
 * @property {number} unread
 * @property {Entry} [last]
 * @property {Role} role
 */

export {};
