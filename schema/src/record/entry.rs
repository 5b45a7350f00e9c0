//! Entries of a conversation's log. Everything that must be ordered is an entry.

use serde::{Deserialize, Serialize};

use super::conversation::Member;
use super::profile::ConversationPatch;
use crate::{ConversationId, InviteId, MessageId, Sequence, UserId};

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Content {
    /// Plain text, 1 byte to 64 KiB of UTF-8.
    Text { text: String },
    /// A reference to uploaded media.
    Media {
        media_id: uuid::Uuid,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caption: Option<String>,
    },
    /// Bytes that the server cannot read.
    Encrypted {
        scheme: String,
        #[serde(with = "crate::wire::binary")]
        #[cfg_attr(feature = "openapi", schema(value_type = String, format = Byte))]
        body: Vec<u8>,
    },
    /// Anything an application defines: a type of its own and a text body (often JSON).
    Custom {
        #[serde(rename = "type")]
        kind: String,
        body: String,
    },
    /// What the message said is gone. Only the server says so.
    Deleted {},
}

impl Content {
    /// Largest text, encrypted body or custom body, in bytes.
    pub const SIZE_MAX: usize = 64 * 1024;

    /// Bytes that count towards [`Content::SIZE_MAX`].
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Text { text } => text.len(),
            Self::Media { caption, .. } => caption.as_ref().map_or(0, String::len),
            Self::Encrypted { scheme, body } => scheme.len() + body.len(),
            Self::Custom { kind, body } => kind.len() + body.len(),
            Self::Deleted {} => 0,
        }
    }
}

/// A message's content and what it refers to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MessageBody {
    pub content: Content,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Sequence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Sequence>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mention_all: Option<MentionAll>,
    /// The message whose content this repeats. Not told to those who read this: they need not be
    /// able to see that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded_from: Option<Box<MessageRef>>,
    /// What this said is gone so long after it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_after_ms: Option<u64>,
}

impl MessageBody {
    /// A message that says `content` and refers to nothing.
    #[must_use]
    pub const fn new(content: Content) -> Self {
        Self {
            content,
            reply_to: None,
            thread: None,
            mentions: Vec::new(),
            mention_all: None,
            forwarded_from: None,
            expires_after_ms: None,
        }
    }
}

/// Many who are mentioned at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum MentionAll {
    /// All members.
    Everyone,
    /// Those members who are online.
    Here,
}

impl MentionAll {
    /// Who stands for all of them in a message's `mentions`, so that they are counted alike.
    #[must_use]
    pub const fn as_user(self) -> UserId {
        match self {
            Self::Everyone => UserId::EVERYONE,
            Self::Here => UserId::HERE,
        }
    }
}

impl MessageBody {
    /// Mentions all, beside those who are mentioned by name.
    #[must_use]
    pub fn mentioning(mut self, all: Option<MentionAll>) -> Self {
        let user = all.map(MentionAll::as_user).filter(|user| !self.mentions.contains(user));
        self.mentions.extend(user);
        self.mention_all = all;
        self
    }
}

/// A message of whichever conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessageRef {
    pub conversation_id: ConversationId,
    pub seq: Sequence,
}

/// What happened, in the order of the log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Message(MessageBody),
    MembersChanged {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        added: Vec<Member>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        removed: Vec<UserId>,
    },
    ConversationChanged(Box<ConversationPatch>),
    /// Users may not be members any more, and are none now; or may again.
    BansChanged {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        banned: Vec<UserId>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unbanned: Vec<UserId>,
    },
    /// The sender became a member by an invite.
    Joined {
        invite_id: InviteId,
    },
    /// Members got other roles.
    RolesChanged {
        members: Vec<Member>,
    },
    /// The sender says something else in place of what entry `target` said.
    MessageEdited {
        target: Sequence,
        content: Content,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        mentions: Vec<UserId>,
        /// When what `target` said is gone, and this with it: milliseconds since 1970 UTC.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<i64>,
    },
    /// Entry `target` is gone for everyone.
    MessageDeleted {
        target: Sequence,
    },
    /// The sender puts an emoji under entry `target`, or takes it back.
    ReactionChanged {
        target: Sequence,
        emoji: String,
        on: bool,
    },
    /// Entry `target` is held up for all to see, or no more.
    PinChanged {
        target: Sequence,
        on: bool,
    },
}

impl Event {
    /// The message that this changes.
    #[must_use]
    pub const fn target(&self) -> Option<Sequence> {
        match self {
            Self::MessageEdited { target, .. }
            | Self::MessageDeleted { target }
            | Self::ReactionChanged { target, .. }
            | Self::PinChanged { target, .. } => Some(*target),
            Self::Message(_)
            | Self::MembersChanged { .. }
            | Self::ConversationChanged(_)
            | Self::BansChanged { .. }
            | Self::Joined { .. }
            | Self::RolesChanged { .. } => None,
        }
    }

    /// Bytes that this takes, packed, less names and headers: an estimate.
    #[must_use]
    pub fn size(&self) -> usize {
        const ID: usize = 18;
        const MEMBER: usize = 48;
        match self {
            Self::Message(body) => body.content.size() + body.mentions.len() * ID,
            Self::MessageEdited { content, mentions, .. } => content.size() + mentions.len() * ID,
            Self::MembersChanged { added, removed } => added.len() * MEMBER + removed.len() * ID,
            Self::RolesChanged { members } => members.len() * MEMBER,
            Self::ConversationChanged(change) => change.size(),
            Self::BansChanged { banned, unbanned } => (banned.len() + unbanned.len()) * ID,
            Self::Joined { .. } => ID,
            Self::ReactionChanged { emoji, .. } => emoji.len(),
            Self::MessageDeleted { .. } | Self::PinChanged { .. } => 0,
        }
    }

    /// The same without what it said.
    #[must_use]
    pub fn scrubbed(&self) -> Self {
        match self {
            Self::Message(body) => Self::Message(MessageBody {
                content: Content::Deleted {},
                reply_to: body.reply_to,
                thread: body.thread,
                expires_after_ms: body.expires_after_ms,
                ..MessageBody::new(Content::Deleted {})
            }),
            Self::MessageEdited { target, expires_at, .. } => Self::MessageEdited {
                target: *target,
                content: Content::Deleted {},
                mentions: Vec::new(),
                expires_at: *expires_at,
            },
            other => other.clone(),
        }
    }
}

/// An entry before it has a number. Only a sequencer makes an [`Entry`] of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Draft {
    pub conversation_id: ConversationId,
    pub message_id: MessageId,
    pub sender_id: UserId,
    pub event: Event,
    /// The client says that it may have sent this before: look in the durable index.
    pub retry: bool,
}

/// One numbered entry. `(conversation_id, seq)` is its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    pub conversation_id: ConversationId,
    pub seq: Sequence,
    pub message_id: MessageId,
    pub sender_id: UserId,
    /// Server's clock when numbered, milliseconds since 1970 UTC. For display: order is `seq`.
    pub sent_at: i64,
    /// How many messages the log has up to here, this one included: differences of it count
    /// messages without reading them.
    #[serde(default)]
    pub ordinal: u64,
    pub event: Event,
}

impl Entry {
    /// When what this says is gone, milliseconds since 1970 UTC; `None`: it stays.
    #[must_use]
    pub fn expires_at(&self) -> Option<i64> {
        match &self.event {
            Event::Message(body) => {
                let after = i64::try_from(body.expires_after_ms?).unwrap_or(i64::MAX);
                Some(self.sent_at.saturating_add(after))
            }
            Event::MessageEdited { expires_at, .. } => *expires_at,
            _ => None,
        }
    }

    /// Whether what this says is gone by `now_ms`.
    #[must_use]
    pub fn is_expired(&self, now_ms: i64) -> bool {
        self.expires_at().is_some_and(|at| at <= now_ms)
    }

    /// Whether there is anything to take away: a message or an edit that still says something.
    #[must_use]
    pub const fn says_something(&self) -> bool {
        match &self.event {
            Event::Message(MessageBody { content, .. }) | Event::MessageEdited { content, .. } => {
                !matches!(content, Content::Deleted {})
            }
            _ => false,
        }
    }
}
