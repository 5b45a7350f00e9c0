//! Entries of a log as frames. Each type is separate from the stored records, so that no column
//! leaves by accident.

use serde::{Deserialize, Serialize};

use super::server_frame::ServerFrame;
use crate::record::{Content, Entry, Event, Member, MessageBody};
use crate::{ConversationId, MessageId, Sequence, UserId};

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
    /// Members who have another role now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<Member>,
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

/// A message says something else now: an entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessageEdited {
    pub conversation_id: ConversationId,
    pub seq: Sequence,
    pub message_id: MessageId,
    pub sender_id: UserId,
    pub sent_at: i64,
    /// The number of the message.
    pub target: Sequence,
    pub content: Content,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
}

/// A message is gone for everyone: an entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessageDeleted {
    pub conversation_id: ConversationId,
    pub seq: Sequence,
    pub message_id: MessageId,
    pub sender_id: UserId,
    pub sent_at: i64,
    /// The number of the message.
    pub target: Sequence,
}

/// The sender put an emoji under a message, or took it back: an entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReactionChanged {
    pub conversation_id: ConversationId,
    pub seq: Sequence,
    pub message_id: MessageId,
    pub sender_id: UserId,
    pub sent_at: i64,
    /// The number of the message.
    pub target: Sequence,
    pub emoji: String,
    pub on: bool,
}

/// A message is held up for all to see, or no more: an entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PinChanged {
    pub conversation_id: ConversationId,
    pub seq: Sequence,
    pub message_id: MessageId,
    pub sender_id: UserId,
    pub sent_at: i64,
    /// The number of the message.
    pub target: Sequence,
    pub on: bool,
}

/// An entry of the log inside `history`: the same maps that travel live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum LogFrame {
    NewMessage(NewMessage),
    MembersChanged(MembersChanged),
    ConversationChanged(ConversationChanged),
    MessageEdited(MessageEdited),
    MessageDeleted(MessageDeleted),
    ReactionChanged(ReactionChanged),
    PinChanged(PinChanged),
}

impl From<&Entry> for LogFrame {
    fn from(entry: &Entry) -> Self {
        let Entry { conversation_id, seq, message_id, sender_id, sent_at, .. } = *entry;
        /// A frame with the fields that all have.
        macro_rules! frame {
            ($name:ident { $($field:ident: $value:expr),* }) => {
                Self::$name($name {
                    conversation_id, seq, message_id, sender_id, sent_at, $($field: $value),*
                })
            };
        }
        match &entry.event {
            Event::Message(MessageBody { content, reply_to, thread, mentions }) => {
                frame!(NewMessage {
                    content: content.clone(),
                    reply_to: *reply_to,
                    thread: *thread,
                    mentions: mentions.clone()
                })
            }
            Event::MembersChanged { added, removed } => frame!(MembersChanged {
                added: added.clone(),
                removed: removed.clone(),
                changed: Vec::new()
            }),
            Event::RolesChanged { members } => frame!(MembersChanged {
                added: Vec::new(),
                removed: Vec::new(),
                changed: members.clone()
            }),
            Event::ConversationChanged { name } => {
                frame!(ConversationChanged { name: name.clone() })
            }
            Event::MessageEdited { target, content, mentions } => frame!(MessageEdited {
                target: *target,
                content: content.clone(),
                mentions: mentions.clone()
            }),
            Event::MessageDeleted { target } => frame!(MessageDeleted { target: *target }),
            Event::ReactionChanged { target, emoji, on } => {
                frame!(ReactionChanged { target: *target, emoji: emoji.clone(), on: *on })
            }
            Event::PinChanged { target, on } => frame!(PinChanged { target: *target, on: *on }),
        }
    }
}

/// The same field of whichever frame it is.
macro_rules! field {
    ($self:ident.$field:ident) => {
        match $self {
            LogFrame::NewMessage(frame) => frame.$field,
            LogFrame::MembersChanged(frame) => frame.$field,
            LogFrame::ConversationChanged(frame) => frame.$field,
            LogFrame::MessageEdited(frame) => frame.$field,
            LogFrame::MessageDeleted(frame) => frame.$field,
            LogFrame::ReactionChanged(frame) => frame.$field,
            LogFrame::PinChanged(frame) => frame.$field,
        }
    };
}

impl LogFrame {
    #[must_use]
    pub const fn seq(&self) -> Sequence {
        field!(self.seq)
    }

    #[must_use]
    pub const fn conversation_id(&self) -> ConversationId {
        field!(self.conversation_id)
    }

    #[must_use]
    pub const fn message_id(&self) -> MessageId {
        field!(self.message_id)
    }

    #[must_use]
    pub const fn sender_id(&self) -> UserId {
        field!(self.sender_id)
    }

    /// Milliseconds since 1970 UTC.
    #[must_use]
    pub const fn sent_at(&self) -> i64 {
        field!(self.sent_at)
    }
}

impl From<LogFrame> for ServerFrame {
    fn from(frame: LogFrame) -> Self {
        match frame {
            LogFrame::NewMessage(frame) => Self::NewMessage(frame),
            LogFrame::MembersChanged(frame) => Self::MembersChanged(frame),
            LogFrame::ConversationChanged(frame) => Self::ConversationChanged(frame),
            LogFrame::MessageEdited(frame) => Self::MessageEdited(frame),
            LogFrame::MessageDeleted(frame) => Self::MessageDeleted(frame),
            LogFrame::ReactionChanged(frame) => Self::ReactionChanged(frame),
            LogFrame::PinChanged(frame) => Self::PinChanged(frame),
        }
    }
}
