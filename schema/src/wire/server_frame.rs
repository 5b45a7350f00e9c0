//! Frames from the server. Each type is separate from the stored records, so that no column
//! leaves by accident.

use serde::{Deserialize, Serialize};

use super::error_code::ErrorCode;
use crate::record::{Content, Entry, Event, Member, MessageBody};
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

/// A message of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewMessage {
    pub conversation_id: ConversationId,
    pub seq: Sequence,
    pub message_id: MessageId,
    pub sender_id: UserId,
    pub sent_at: i64,
    pub content: Content,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Sequence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Sequence>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
}

/// Members came or went: an entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MembersChanged {
    pub conversation_id: ConversationId,
    pub seq: Sequence,
    pub message_id: MessageId,
    pub sender_id: UserId,
    pub sent_at: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<Member>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<UserId>,
}

/// The conversation itself changed: an entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConversationChanged {
    pub conversation_id: ConversationId,
    pub seq: Sequence,
    pub message_id: MessageId,
    pub sender_id: UserId,
    pub sent_at: i64,
    pub name: Option<String>,
}

/// An entry of the log inside `history`: the same maps that travel live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum LogFrame {
    NewMessage(NewMessage),
    MembersChanged(MembersChanged),
    ConversationChanged(ConversationChanged),
}

/// A page of the log in ascending order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    #[serde(rename = "ref")]
    pub reference: u64,
    pub conversation_id: ConversationId,
    pub entries: Vec<LogFrame>,
    pub head: Sequence,
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
    pub heads: Option<Vec<super::client_frame::Position>>,
}

impl From<&Entry> for LogFrame {
    fn from(entry: &Entry) -> Self {
        let Entry { conversation_id, seq, message_id, sender_id, sent_at, .. } = *entry;
        match &entry.event {
            Event::Message(MessageBody { content, reply_to, thread, mentions }) => {
                Self::NewMessage(NewMessage {
                    conversation_id,
                    seq,
                    message_id,
                    sender_id,
                    sent_at,
                    content: content.clone(),
                    reply_to: *reply_to,
                    thread: *thread,
                    mentions: mentions.clone(),
                })
            }
            Event::MembersChanged { added, removed } => Self::MembersChanged(MembersChanged {
                conversation_id,
                seq,
                message_id,
                sender_id,
                sent_at,
                added: added.clone(),
                removed: removed.clone(),
            }),
            Event::ConversationChanged { name } => Self::ConversationChanged(ConversationChanged {
                conversation_id,
                seq,
                message_id,
                sender_id,
                sent_at,
                name: name.clone(),
            }),
        }
    }
}

impl LogFrame {
    #[must_use]
    pub const fn seq(&self) -> Sequence {
        match self {
            Self::NewMessage(frame) => frame.seq,
            Self::MembersChanged(frame) => frame.seq,
            Self::ConversationChanged(frame) => frame.seq,
        }
    }

    #[must_use]
    pub const fn conversation_id(&self) -> ConversationId {
        match self {
            Self::NewMessage(frame) => frame.conversation_id,
            Self::MembersChanged(frame) => frame.conversation_id,
            Self::ConversationChanged(frame) => frame.conversation_id,
        }
    }

    #[must_use]
    pub const fn message_id(&self) -> MessageId {
        match self {
            Self::NewMessage(frame) => frame.message_id,
            Self::MembersChanged(frame) => frame.message_id,
            Self::ConversationChanged(frame) => frame.message_id,
        }
    }
}

impl From<LogFrame> for ServerFrame {
    fn from(frame: LogFrame) -> Self {
        match frame {
            LogFrame::NewMessage(frame) => Self::NewMessage(frame),
            LogFrame::MembersChanged(frame) => Self::MembersChanged(frame),
            LogFrame::ConversationChanged(frame) => Self::ConversationChanged(frame),
        }
    }
}
