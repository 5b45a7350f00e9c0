// The door of the package: what applications may use.
export { SwitchboardClient } from "./client.js";
export { SwitchboardError, isTemporary } from "./errors.js";
export { MessageStates, currentContent, isChange } from "./message_states.js";
export { memoryOutbox, memorySession, webOutbox, webSession } from "./storage.js";
export { EVERYONE, HERE, mentionsAll, mentionsHere, mentionsUser, unreadCount, unreadMentions } from "./unread.js";
export { uuidTimeMs, uuidV7 } from "./uuid.js";

/** @typedef {import("./client.js").ClientOptions} ClientOptions */
/** @typedef {import("./storage.js").OutboxStorage} OutboxStorage */
/** @typedef {import("./storage.js").SessionStorage} SessionStorage */
/** @typedef {import("./types.js").ChatListItem} ChatListItem */
/** @typedef {import("./types.js").ConnectionState} ConnectionState */
/** @typedef {import("./types.js").Content} Content */
/** @typedef {import("./types.js").ConversationView} ConversationView */
/** @typedef {import("./types.js").HistoryPage} HistoryPage */
/** @typedef {import("./types.js").Entry} Entry */
/** @typedef {import("./types.js").MessageState} MessageState */
/** @typedef {import("./types.js").OutboxItem} OutboxItem */
/** @typedef {import("./types.js").Presence} Presence */
/** @typedef {import("./types.js").Reaction} Reaction */
/** @typedef {import("./types.js").Receipts} Receipts */
/** @typedef {import("./types.js").SearchPage} SearchPage */
/** @typedef {import("./types.js").Session} Session */
/** @typedef {import("./types.js").SendOptions} SendOptions */
/** @typedef {import("./types.js").UserView} UserView */
/** @typedef {import("./types_own.js").Ban} Ban */
/** @typedef {import("./types_own.js").ConversationPatch} ConversationPatch */
/** @typedef {import("./types_own.js").Draft} Draft */
/** @typedef {import("./types_own.js").Holding} Holding */
/** @typedef {import("./types_own.js").Invite} Invite */
/** @typedef {import("./types_own.js").InvitePreview} InvitePreview */
/** @typedef {import("./types_own.js").LinkPreview} LinkPreview */
/** @typedef {import("./types_own.js").NewInvite} NewInvite */
/** @typedef {import("./types_own.js").Scheduled} Scheduled */
/** @typedef {import("./types_own.js").Settings} Settings */
/** @typedef {import("./types_own.js").Thread} Thread */
/** @typedef {import("./types_own.js").ThreadPage} ThreadPage */
/** @typedef {import("./types_own.js").Visibility} Visibility */
