//! One entry of a log, reduced to what can be compared.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::record::{Content, ConversationPatch, Entry, Event, Member};
use crate::wire::LogFrame;
use crate::{ConversationId, MessageId, Sequence, UserId};

/// 64 bits that stand for an entry's content. Equal contents have equal digests within one build;
/// digests are compared, never stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub u64);

impl Digest {
    /// Of what was deleted for everyone: may stand in place of what was said.
    pub const SCRUBBED: Self = Self(0);

    /// Of a message: every byte of its content, and what it refers to.
    #[must_use]
    pub fn of_message(
        content: &Content,
        reply_to: Option<Sequence>,
        thread: Option<Sequence>,
        mentions: &[UserId],
    ) -> Self {
        match content {
            Content::Deleted {} => Self::SCRUBBED,
            content => Self::of(&("message", content, reply_to, thread, mentions)),
        }
    }

    /// Of a message that is a text and nothing else.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        Self::of_message(&Content::Text { text: text.to_owned() }, None, None, &[])
    }

    /// Of an entry as it is stored.
    #[must_use]
    pub fn of_event(event: &Event) -> Self {
        match event {
            Event::Message(body) => {
                Self::of_message(&body.content, body.reply_to, body.thread, &body.mentions)
            }
            Event::MembersChanged { added, removed } => Self::of_members(added, removed),
            Event::ConversationChanged(change) => Self::of_change(change),
            Event::BansChanged { banned, unbanned } => Self::of_bans(banned, unbanned),
            Event::Joined { invite_id } => Self::of(&("joined", invite_id)),
            Event::RolesChanged { members } => Self::of_roles(members),
            Event::MessageEdited { target, content, mentions, .. } => {
                Self::of_edit(*target, content, mentions)
            }
            Event::MessageDeleted { target } => Self::of(&("deleted", target)),
            Event::ReactionChanged { target, emoji, on } => {
                Self::of(&("reaction", target, emoji, on))
            }
            Event::PinChanged { target, on } => Self::of(&("pin", target, on)),
        }
    }

    /// Of an entry as it travels.
    #[must_use]
    pub fn of_log_frame(frame: &LogFrame) -> Self {
        match frame {
            LogFrame::NewMessage(message) => Self::of_message(
                &message.content,
                message.reply_to,
                message.thread,
                &message.mentions,
            ),
            LogFrame::MembersChanged(change) if !change.changed.is_empty() => {
                Self::of_roles(&change.changed)
            }
            LogFrame::MembersChanged(change) => match change.invite_id {
                Some(invite_id) => Self::of(&("joined", invite_id)),
                None if change.banned.is_empty() && change.unbanned.is_empty() => {
                    Self::of_members(&change.added, &change.removed)
                }
                None => Self::of_bans(&change.banned, &change.unbanned),
            },
            LogFrame::ConversationChanged(change) => Self::of_change(&change.into()),
            LogFrame::MessageEdited(edit) => {
                Self::of_edit(edit.target, &edit.content, &edit.mentions)
            }
            LogFrame::MessageDeleted(deletion) => Self::of(&("deleted", deletion.target)),
            LogFrame::ReactionChanged(change) => {
                Self::of(&("reaction", change.target, &change.emoji, change.on))
            }
            LogFrame::PinChanged(change) => Self::of(&("pin", change.target, change.on)),
        }
    }

    /// Whether both may be of one entry: equal, or one of them of before its deletion.
    #[must_use]
    pub fn agrees(self, other: Self) -> bool {
        self == other || self == Self::SCRUBBED || other == Self::SCRUBBED
    }

    fn of_roles(members: &[Member]) -> Self {
        Self::of(&("roles", members))
    }

    fn of_edit(target: Sequence, content: &Content, mentions: &[UserId]) -> Self {
        match content {
            Content::Deleted {} => Self::SCRUBBED,
            content => Self::of(&("edit", target, content, mentions)),
        }
    }

    fn of_members(added: &[Member], removed: &[UserId]) -> Self {
        Self::of(&("members", added, removed))
    }

    fn of_bans(banned: &[UserId], unbanned: &[UserId]) -> Self {
        Self::of(&("bans", banned, unbanned))
    }

    fn of_change(change: &ConversationPatch) -> Self {
        Self::of(&("conversation", change))
    }

    fn of(value: &impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Self(hasher.finish().max(1))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Digest({self})")
    }
}

/// Whether somebody said something, or the conversation itself changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowKind {
    Message,
    /// Members, name, or what an earlier message says changed.
    Change,
}

/// An entry as someone saw it: a store, a page of history, or a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Row {
    pub conversation_id: ConversationId,
    pub seq: Sequence,
    pub message_id: MessageId,
    pub sender_id: UserId,
    pub kind: RowKind,
    pub digest: Digest,
}

impl Row {
    /// Whether both are of one entry, which may have been deleted between the two sightings.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        self.digest.agrees(other.digest) && Self { digest: other.digest, ..*self } == *other
    }
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, message_id, sender_id, digest, .. } = self;
        write!(formatter, "{message_id} at {seq} by {sender_id} (digest {digest})")
    }
}

impl From<&Entry> for Row {
    fn from(entry: &Entry) -> Self {
        Self {
            conversation_id: entry.conversation_id,
            seq: entry.seq,
            message_id: entry.message_id,
            sender_id: entry.sender_id,
            kind: match entry.event {
                Event::Message(_) => RowKind::Message,
                _ => RowKind::Change,
            },
            digest: Digest::of_event(&entry.event),
        }
    }
}

impl From<&LogFrame> for Row {
    fn from(frame: &LogFrame) -> Self {
        let kind = match frame {
            LogFrame::NewMessage(_) => RowKind::Message,
            _ => RowKind::Change,
        };
        Self {
            conversation_id: frame.conversation_id(),
            seq: frame.seq(),
            message_id: frame.message_id(),
            sender_id: frame.sender_id(),
            kind,
            digest: Digest::of_log_frame(frame),
        }
    }
}
