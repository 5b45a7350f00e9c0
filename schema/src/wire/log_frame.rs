//! Entries of a log as frames. Each type is separate from the stored records, so that no column
//! leaves by accident.

use serde::{Deserialize, Serialize};

use super::server_frame::ServerFrame;
use crate::nullable;
use crate::record::{Content, ConversationPatch, Entry, Event, Member, MentionAll, Posting, Role};
use crate::{ConversationId, InviteId, MessageId, Sequence, UserId};

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mention_all: Option<MentionAll>,
    /// It repeats a message of perhaps another conversation, which is not named.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forwarded: bool,
    /// What it says is gone from then on, milliseconds since 1970 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
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
    /// Users who may not be members any more; they are in `removed` too, members or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub banned: Vec<UserId>,
    /// Users who may be members again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unbanned: Vec<UserId>,
    /// The one who was added came by this invite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite_id: Option<InviteId>,
}

/// The conversation itself changed: an entry of the log. Fields that are absent stay as they were;
/// `null` takes a value away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConversationChanged {
    pub conversation_id: ConversationId,
    pub seq: Sequence,
    pub message_id: MessageId,
    pub sender_id: UserId,
    pub sent_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, with = "nullable", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub description: Option<Option<String>>,
    #[serde(default, with = "nullable", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub photo: Option<Option<String>>,
    #[serde(default, with = "nullable", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u64>))]
    pub disappear_after_ms: Option<Option<u64>>,
    #[serde(default, with = "nullable", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>))]
    pub retention_days: Option<Option<u32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posting: Option<Posting>,
}

impl From<&ConversationChanged> for ConversationPatch {
    fn from(change: &ConversationChanged) -> Self {
        Self {
            name: change.name.clone(),
            description: change.description.clone(),
            photo: change.photo.clone(),
            disappear_after_ms: change.disappear_after_ms,
            retention_days: change.retention_days,
            posting: change.posting,
        }
    }
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

/// What a change of members may be.
#[derive(Default)]
struct MemberParts {
    added: Vec<Member>,
    removed: Vec<UserId>,
    changed: Vec<Member>,
    banned: Vec<UserId>,
    unbanned: Vec<UserId>,
    invite_id: Option<InviteId>,
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
        /// A change of members with the parts that are given.
        macro_rules! members {
            ($($field:ident: $value:expr),*) => {{
                let parts = MemberParts { $($field: $value,)* ..MemberParts::default() };
                let MemberParts { added, removed, changed, banned, unbanned, invite_id } = parts;
                Self::MembersChanged(MembersChanged {
                    conversation_id, seq, message_id, sender_id, sent_at,
                    added, removed, changed, banned, unbanned, invite_id
                })
            }};
        }
        match &entry.event {
            Event::Message(body) => frame!(NewMessage {
                content: body.content.clone(),
                reply_to: body.reply_to,
                thread: body.thread,
                mentions: body.mentions.clone(),
                mention_all: body.mention_all,
                forwarded: body.forwarded_from.is_some(),
                expires_at: entry.expires_at()
            }),
            Event::MembersChanged { added, removed } => {
                members!(added: added.clone(), removed: removed.clone())
            }
            Event::RolesChanged { members } => members!(changed: members.clone()),
            Event::BansChanged { banned, unbanned } => members!(
                removed: banned.clone(), banned: banned.clone(), unbanned: unbanned.clone()
            ),
            Event::Joined { invite_id } => members!(
                added: vec![Member { user_id: sender_id, role: Role::Member }],
                invite_id: Some(*invite_id)
            ),
            Event::ConversationChanged(change) => frame!(ConversationChanged {
                name: change.name.clone(),
                description: change.description.clone(),
                photo: change.photo.clone(),
                disappear_after_ms: change.disappear_after_ms,
                retention_days: change.retention_days,
                posting: change.posting
            }),
            Event::MessageEdited { target, content, mentions, .. } => frame!(MessageEdited {
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
