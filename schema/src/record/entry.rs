//! Entries of a conversation's log. Everything that must be ordered is an entry.

use serde::{Deserialize, Serialize};

use super::conversation::Member;
use crate::{ConversationId, MessageId, Sequence, UserId};

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
    ConversationChanged {
        name: Option<String>,
    },
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
    pub event: Event,
}
