// Shapes shared by the modules of the SDK. Ids are hyphenated text everywhere in JavaScript;
// times are milliseconds since 1970 UTC; `seq` counts a conversation's entries from 1.

/**
 * @typedef {{ text: { text: string } }
 *   | { media: { media_id: string, caption?: string } }
 *   | { encrypted: { scheme: string, body: Uint8Array } }
 *   | { custom: { type: string, body: string } }
 *   | { deleted: {} }} Content what a deleted message says is gone
 */

/** @typedef {{ user_id: string, role: "owner" | "admin" | "member" }} Member */
/** All members, or those who are there. @typedef {"everyone" | "here"} MentionAll */
/** Who may post. @typedef {"everyone" | "admins"} Posting */

/**
 * An entry of a conversation's log. `kind` is the frame's name: `new_message`,
 * `members_changed`, `conversation_changed`, `message_edited`, `message_deleted`,
 * `reaction_changed`, `pin_changed`, or one that a later server adds.
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
 * @property {MentionAll} [mention_all]
 * @property {boolean} [forwarded] it repeats a message of perhaps another conversation
 * @property {number} [expires_at] what it says is gone from then on
 * @property {Member[]} [added]
 * @property {string[]} [removed]
 * @property {Member[]} [changed] members who have another role now
 * @property {string[]} [banned] they are in `removed` too
 * @property {string[]} [unbanned]
 * @property {string} [invite_id] the one who was added came by this invite
 * @property {string | null} [name]
 * @property {string | null} [description] `null`: none any more; absent: as before, as with the next four
 * @property {string | null} [photo]
 * @property {number | null} [disappear_after_ms]
 * @property {number | null} [retention_days]
 * @property {Posting} [posting]
 * @property {number} [target] the message that this entry changes
 * @property {string} [emoji]
 * @property {boolean} [on]
 */

/** One emoji under a message; at most 100 of its users are named.
 *  @typedef {{ emoji: string, count: number, user_ids: string[] }} Reaction */

/**
 * A message as later entries changed it.
 * @typedef {object} MessageState
 * @property {number} seq the message
 * @property {{ seq: number, at: number, content: Content, mentions?: string[] }} [edited]
 * @property {{ seq: number, at: number, by: string }} [deleted]
 * @property {boolean} [hidden] deleted for this user alone
 * @property {Reaction[]} [reactions]
 * @property {boolean} [pinned]
 */

/** @typedef {{ conversation_id: string, seq: number, gen?: number }} Position `gen`: of the log that `seq` is a number of */

/**
 * @typedef {object} ConversationState
 * @property {string} conversation_id
 * @property {number} gen
 * @property {number} head
 * @property {number} delivered
 * @property {number} read
 * @property {number} [muted_until]
 * @property {boolean} [archived]
 * @property {boolean} [pinned]
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

/**
 * A page of the log, ascending; `states` tells how messages of the page that later entries changed
 * stand at `head`. What stood up to `purged_up_to` is not kept any more.
 * @typedef {{ conversation_id: string, entries: Entry[], head: number, states: MessageState[], purged_up_to: number }} HistoryPage
 */

/**
 * @typedef {object} SendOptions
 * @property {number} [reply_to]
 * @property {number} [thread]
 * @property {string[]} [mentions]
 * @property {{ conversation_id: string, seq: number }} [forwarded_from] the message that `content` repeats
 * @property {number} [expires_after_ms] absent: as the conversation has it
 * @property {boolean} [clear_draft] the draft of this conversation was this message
 */

/** @typedef {{ seq: number, sent_at: number, duplicate: boolean }} SendResult */

/**
 * A change of a message, by the name of its frame.
 * @typedef {{ target: number } & (
 *   | { frame: "edit_message", content: Content, mentions?: string[], scope?: undefined }
 *   | { frame: "delete_message", scope: "everyone" }
 *   | { frame: "react", emoji: string, on: boolean, scope?: undefined }
 *   | { frame: "pin_message", on: boolean, scope?: undefined })} Change
 */

/**
 * A message, or a change of one, on its way. `waiting` and `in_flight` are both "pending" to a reader; `failed` was
 * refused for good and stays until it is retried or discarded.
 * @typedef {object} OutboxItem
 * @property {string} message_id
 * @property {string} conversation_id
 * @property {Content} [content] of a message
 * @property {SendOptions} options
 * @property {Change} [change] what it changes, when it is no message
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
 * @property {string} [description]
 * @property {string} [photo] an address with `https`
 * @property {number} [disappear_after_ms] of messages that do not say so themselves
 * @property {number} [retention_days] 0: for ever; absent: as the server has it
 * @property {Posting} [posting]
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
 * @property {number} [mentions] unread messages that mention this user or everyone
 * @property {import("./types_own.js").Draft | null} [draft]
 * @property {number | null} [muted_until]
 * @property {boolean} [archived]
 * @property {boolean} [pinned]
 * @property {string} [photo]
 * @property {Entry} [last]
 * @property {Role} role
 */

/** How far one user is in a conversation. @typedef {{ user_id: string, delivered?: number, read?: number }} Status */

/** @typedef {{ user_id: string, status: "online" | "away" | "offline", last_seen?: number }} Presence */

/**
 * Who has one message, its author left out.
 * @typedef {object} Receipts
 * @property {number} total
 * @property {number} delivered  of those, who have it, read or not
 * @property {number} read
 * @property {number} pending
 * @property {{ user_id: string, state: "pending" | "delivered" | "read" }[]} members
 */

/**
 * @typedef {object} SearchRange
 * @property {string} [conversation_id]
 * @property {string} [from]   a sender's id
 * @property {number} [since]  milliseconds since 1970 UTC
 * @property {number} [until]
 * @property {number} [limit]
 * @property {string} [cursor]
 */

/**
 * `highlights` are pairs of UTF-16 offsets into the text: `text.slice(start, end)`.
 * @typedef {{ hits: { entry: Entry, highlights: [number, number][] }[], next_cursor?: string }} SearchPage
 */

export {};
