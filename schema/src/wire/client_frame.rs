//! Frames from a client. One WebSocket message is one map with one entry: name to body.

use serde::{Deserialize, Serialize};

use super::Position;
use crate::record::{Content, MentionAll, MessageRef};
use crate::{ConversationId, DeviceId, MessageId, Sequence, UserId};

/// Everything a client may say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientFrame {
    Hello(Hello),
    SendMessage(SendMessage),
    EditMessage(EditMessage),
    DeleteMessage(DeleteMessage),
    React(React),
    PinMessage(PinMessage),
    FollowThread(FollowThread),
    Ack(Ack),
    ReadReceipt(ReadReceipt),
    TypingIndicator(TypingIndicator),
    SetPresence(SetPresence),
    SubscribePresence(SubscribePresence),
    JoinConversation(JoinConversation),
    LeaveConversation(LeaveConversation),
    FetchHistory(FetchHistory),
    Ping(Ping),
}

impl ClientFrame {
    /// The frame's name on the wire; also a label value of metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::SendMessage(_) => "send_message",
            Self::EditMessage(_) => "edit_message",
            Self::DeleteMessage(_) => "delete_message",
            Self::React(_) => "react",
            Self::PinMessage(_) => "pin_message",
            Self::FollowThread(_) => "follow_thread",
            Self::Ack(_) => "ack",
            Self::ReadReceipt(_) => "read_receipt",
            Self::TypingIndicator(_) => "typing_indicator",
            Self::SetPresence(_) => "set_presence",
            Self::SubscribePresence(_) => "subscribe_presence",
            Self::JoinConversation(_) => "join_conversation",
            Self::LeaveConversation(_) => "leave_conversation",
            Self::FetchHistory(_) => "fetch_history",
            Self::Ping(_) => "ping",
        }
    }

    /// The `ref` to answer under.
    #[must_use]
    pub const fn reference(&self) -> Option<u64> {
        match self {
            Self::SendMessage(frame) => Some(frame.reference),
            Self::EditMessage(frame) => Some(frame.reference),
            Self::DeleteMessage(frame) => Some(frame.reference),
            Self::React(frame) => Some(frame.reference),
            Self::PinMessage(frame) => Some(frame.reference),
            Self::FollowThread(frame) => Some(frame.reference),
            Self::JoinConversation(frame) => Some(frame.reference),
            Self::LeaveConversation(frame) => Some(frame.reference),
            Self::FetchHistory(frame) => Some(frame.reference),
            Self::Hello(_)
            | Self::Ack(_)
            | Self::ReadReceipt(_)
            | Self::TypingIndicator(_)
            | Self::SetPresence(_)
            | Self::SubscribePresence(_)
            | Self::Ping(_) => None,
        }
    }
}

/// The first frame: who is there, and what the device already has.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// `name/version`, for the operator's eyes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions: Option<Vec<Position>>,
}

impl std::fmt::Debug for Hello {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Hello")
            .field("token", &"[redacted]")
            .field("device_id", &self.device_id)
            .field("client", &self.client)
            .field("positions", &self.positions)
            .finish()
    }
}

/// Follows a thread, or does no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowThread {
    #[serde(rename = "ref")]
    pub reference: u64,
    pub conversation_id: ConversationId,
    /// The message that the thread is about.
    pub thread: Sequence,
    pub on: bool,
}

/// Asks for a number for a message. Repeating it under the same `message_id` is safe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendMessage {
    #[serde(rename = "ref")]
    pub reference: u64,
    /// UUIDv7 made by the client: the idempotency key.
    pub message_id: MessageId,
    pub conversation_id: ConversationId,
    pub content: Content,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Sequence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Sequence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mentions: Option<Vec<UserId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mention_all: Option<MentionAll>,
    /// `content` repeats this message, which the sender can see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded_from: Option<MessageRef>,
    /// What it says is gone so long after it was sent: a second to a year. Absent: as the
    /// conversation has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_after_ms: Option<u64>,
    /// True when this may have been sent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<bool>,
    /// The draft of this conversation was this message: it is taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear_draft: Option<bool>,
}

impl SendMessage {
    /// A message without options.
    #[must_use]
    pub const fn new(
        reference: u64,
        message_id: MessageId,
        conversation_id: ConversationId,
        content: Content,
    ) -> Self {
        Self {
            reference,
            message_id,
            conversation_id,
            content,
            reply_to: None,
            thread: None,
            mentions: None,
            mention_all: None,
            forwarded_from: None,
            expires_after_ms: None,
            retry: None,
            clear_draft: None,
        }
    }
}

/// Says something else in place of an own message. Repeating it under the same `message_id` is
/// safe, as with every frame that asks for a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditMessage {
    #[serde(rename = "ref")]
    pub reference: u64,
    pub message_id: MessageId,
    pub conversation_id: ConversationId,
    /// The message's number.
    pub target: Sequence,
    pub content: Content,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mentions: Option<Vec<UserId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<bool>,
}

/// Takes a message away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteMessage {
    #[serde(rename = "ref")]
    pub reference: u64,
    pub message_id: MessageId,
    pub conversation_id: ConversationId,
    pub target: Sequence,
    pub scope: DeleteScope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<bool>,
}

/// Whom a deletion concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum DeleteScope {
    Everyone,
    Me,
}

/// Puts an emoji under a message, or takes it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct React {
    #[serde(rename = "ref")]
    pub reference: u64,
    pub message_id: MessageId,
    pub conversation_id: ConversationId,
    pub target: Sequence,
    pub emoji: String,
    pub on: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<bool>,
}

/// Holds a message up for all to see, or no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinMessage {
    #[serde(rename = "ref")]
    pub reference: u64,
    pub message_id: MessageId,
    pub conversation_id: ConversationId,
    pub target: Sequence,
    pub on: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<bool>,
}

/// The user writes, or stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypingIndicator {
    pub conversation_id: ConversationId,
    pub state: TypingState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TypingState {
    Typing,
    Stopped,
}

/// How this device's user wants to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetPresence {
    pub status: PresenceStatus,
}

/// Whether a user is there. A client says `online` or `away`; with no device left it is `offline`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum PresenceStatus {
    #[default]
    Offline,
    Away,
    Online,
}

/// Whose presence this socket wants to hear of, in place of what it asked for before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscribePresence {
    /// At most 500.
    pub user_ids: Vec<UserId>,
}

/// This device has everything up to `seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    pub conversation_id: ConversationId,
    pub seq: Sequence,
}

/// This user has read up to `seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadReceipt {
    pub conversation_id: ConversationId,
    pub seq: Sequence,
    /// In this thread alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Sequence>,
}

/// Live delivery of a channel that one may read, from above `after` (default: from the head).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinConversation {
    #[serde(rename = "ref")]
    pub reference: u64,
    pub conversation_id: ConversationId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Sequence>,
    /// Of the log that `after` is a number of, where that is known.
    #[serde(rename = "gen", default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
}

impl JoinConversation {
    /// What the device has of it, where it says so.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        let (conversation_id, generation) = (self.conversation_id, self.generation);
        self.after.map(|seq| Position { conversation_id, seq, generation })
    }
}

/// Ends a [`JoinConversation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveConversation {
    #[serde(rename = "ref")]
    pub reference: u64,
    pub conversation_id: ConversationId,
}

/// A page of the log: below `before`, above `after`, or round the first entry that was sent at
/// `at` or later; none of them: the newest page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchHistory {
    #[serde(rename = "ref")]
    pub reference: u64,
    pub conversation_id: ConversationId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Sequence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Sequence>,
    /// Milliseconds since 1970 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
    /// At most 200; default 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// Are you there; with `positions`, also: am I missing anything?
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions: Option<Vec<Position>>,
}
