//! Frames from the server. Each type is separate from the stored records, so that no column
//! leaves by accident.

use serde::{Deserialize, Serialize};

use super::client_frame::{PresenceStatus, TypingState};
use super::error_code::ErrorCode;
use super::log_frame::{
    ConversationChanged, LogFrame, MembersChanged, MessageDeleted, MessageEdited, NewMessage,
    PinChanged, ReactionChanged,
};
use super::personal_frame::{
    BlockChanged, ConversationSettingsChanged, DraftChanged, MessageHidden, ScheduledChanged,
    ThreadFollowed, ThreadRead,
};
use crate::record::{MessageState, Settings};
use crate::{ConnectionId, ConversationId, DeviceId, MessageId, NodeId, Sequence, UserId};

/// Everything the server may say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerFrame {
    Welcome(Welcome),
    /// Continues a long `welcome` list.
    MoreConversations(MoreConversations),
    Accepted(Accepted),
    NewMessage(NewMessage),
    MembersChanged(MembersChanged),
    ConversationChanged(ConversationChanged),
    MessageEdited(MessageEdited),
    MessageDeleted(MessageDeleted),
    ReactionChanged(ReactionChanged),
    PinChanged(PinChanged),
    MessageStatus(MessageStatus),
    MessageStatuses(MessageStatuses),
    TypingUpdate(TypingUpdate),
    UserOnline(UserOnline),
    SettingsChanged(Settings),
    ConversationSettings(ConversationSettingsChanged),
    DraftChanged(DraftChanged),
    MessageHidden(MessageHidden),
    ThreadRead(ThreadRead),
    ThreadFollowed(ThreadFollowed),
    BlockChanged(BlockChanged),
    ScheduledChanged(ScheduledChanged),
    History(History),
    Joined(Joined),
    Left(Left),
    Resync(Resync),
    Draining(Draining),
    Error(ErrorFrame),
    Pong(Pong),
}

/// Answer to `hello`. What the device missed follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    pub user_id: UserId,
    pub device_id: DeviceId,
    pub connection_id: ConnectionId,
    pub node: NodeId,
    /// Milliseconds since 1970 UTC.
    pub server_time: i64,
    pub heartbeat_ms: u64,
    pub limits: Limits,
    pub conversations: Vec<ConversationState>,
}

/// The list of `welcome` goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoreConversations {
    pub conversations: Vec<ConversationState>,
}

/// What a client may do before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest whole WebSocket message from a client, bytes.
    pub frame_bytes_max: u64,
    /// Largest text of a message, bytes.
    pub text_bytes_max: u64,
    /// Largest `limit` of `fetch_history`.
    pub history_page_max: u64,
    /// Sustained sends per second, and how many may come at once.
    pub sends_per_second: u32,
    pub sends_burst: u32,
}

/// Where a conversation stands for this user and device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationState {
    pub conversation_id: ConversationId,
    #[serde(rename = "gen")]
    pub generation: u32,
    pub head: Sequence,
    pub delivered: Sequence,
    pub read: Sequence,
    /// Milliseconds since 1970 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
}

/// The message is stored; here is its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    #[serde(rename = "ref")]
    pub reference: u64,
    pub message_id: MessageId,
    pub conversation_id: ConversationId,
    pub seq: Sequence,
    pub sent_at: i64,
    /// This id was stored before; `seq` is its first and only number.
    pub duplicate: bool,
}

/// A page of the log in ascending order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    #[serde(rename = "ref")]
    pub reference: u64,
    pub conversation_id: ConversationId,
    pub entries: Vec<LogFrame>,
    pub head: Sequence,
    /// Messages of the page that later entries changed, as they are at `head`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<MessageState>,
    /// Entries up to here are gone for good: the log begins above.
    #[serde(default, skip_serializing_if = "Sequence::is_start")]
    pub purged_up_to: Sequence,
}

/// Live delivery begins above `after`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    #[serde(rename = "ref")]
    pub reference: u64,
    pub conversation_id: ConversationId,
    #[serde(rename = "gen")]
    pub generation: u32,
    pub head: Sequence,
    pub after: Sequence,
}

/// Live delivery has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    #[serde(rename = "ref")]
    pub reference: u64,
    pub conversation_id: ConversationId,
}

/// Forget positions of this conversation and fetch again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resync {
    pub conversation_id: ConversationId,
    #[serde(rename = "gen")]
    pub generation: u32,
    pub head: Sequence,
    pub reason: String,
}

/// This node is going away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draining {
    pub reconnect_after_ms: u64,
}

/// What went wrong, with a code that programs may rely on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorFrame {
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<u64>,
    pub code: ErrorCode,
    pub message: String,
    /// True: the same request may succeed later.
    pub temporary: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// With `message_id_reused`: the number that the id already has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<Sequence>,
}

impl ErrorFrame {
    #[must_use]
    pub fn new(reference: Option<u64>, code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            reference,
            code,
            message: message.into(),
            temporary: code.is_temporary(),
            retry_after_ms: None,
            seq: None,
        }
    }
}

/// Answer to `ping`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    pub server_time: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heads: Option<Vec<super::Position>>,
}

/// How far another user is with what this one sent: positions, never lowered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageStatus {
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    /// A device of theirs has everything up to here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Sequence>,
    /// They have read up to here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Sequence>,
}

/// The same of several users of one conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageStatuses {
    pub conversation_id: ConversationId,
    pub statuses: Vec<UserStatus>,
}

/// One user's positions in a [`MessageStatuses`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserStatus {
    pub user_id: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Sequence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Sequence>,
}

/// Somebody writes, or stopped. Not stored; over by itself after six seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypingUpdate {
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    pub state: TypingState,
}

/// Whether a user is there, to those who subscribed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserOnline {
    pub user_id: UserId,
    pub status: PresenceStatus,
    /// When the user was there last, milliseconds since 1970 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<i64>,
}
