//! What belongs to one user alone and follows them to each of their devices. Pure.
//!
//! A user's facts are small rows under keys. Whoever writes a fact stamps it; of two writes of one
//! key the one with the later stamp counts, so devices and nodes may write in any order.

use serde::{Deserialize, Serialize};

use super::entry::Content;
use crate::wire::ErrorCode;
use crate::{ConversationId, MessageId, ScheduledId, Sequence, UserId};

/// Who may know something of a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Visibility {
    #[default]
    Everyone,
    /// Users with whom one has a direct conversation.
    Contacts,
    Nobody,
}

/// What a user set for all conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Settings {
    /// Others hear what one has read, and one hears what they have.
    pub read_receipts: bool,
    /// Who sees whether one is there.
    pub presence: Visibility,
    /// Who sees when one was there last.
    pub last_seen: Visibility,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            read_receipts: true,
            presence: Visibility::Everyone,
            last_seen: Visibility::Everyone,
        }
    }
}

/// What a user set for one conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConversationSettings {
    /// No notifications until then, milliseconds since 1970 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<i64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
}

/// A message that is being written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UnsentDraft {
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Sequence>,
    /// When it was written, milliseconds since 1970 UTC. Of two, the later counts.
    pub updated_at: i64,
}

/// Where a scheduled message stands. Sent ones leave the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ScheduledState {
    Pending,
    /// Said by `scheduled_changed` alone.
    Sent,
    /// It could not be sent and will not be.
    Failed,
    /// Said by `scheduled_changed` alone.
    Cancelled,
}

/// A message to be sent later.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScheduledMessage {
    pub scheduled_id: ScheduledId,
    pub conversation_id: ConversationId,
    /// The id under which it will be sent.
    pub message_id: MessageId,
    pub content: Content,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Sequence>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    /// Milliseconds since 1970 UTC, as the others.
    pub send_at: i64,
    pub created_at: i64,
    pub state: ScheduledState,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<ErrorCode>,
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    ReadReceipts(bool),
    PresenceTo(Visibility),
    LastSeenTo(Visibility),
    /// When the user was there last, milliseconds since 1970 UTC.
    LastSeen(i64),
    Blocked(UserId),
    MutedUntil(ConversationId, i64),
    Archived(ConversationId),
    Pinned(ConversationId),
    Draft(ConversationId, UnsentDraft),
    /// Deleted for this user alone.
    Hidden(ConversationId, Sequence),
    /// The user has read a thread up to a number.
    ThreadRead {
        conversation: ConversationId,
        root: Sequence,
        read: Sequence,
    },
    /// The user said whether to follow a thread, when its conversation's log ended at `since`.
    ThreadFollowed {
        conversation: ConversationId,
        root: Sequence,
        on: bool,
        since: Sequence,
    },
    /// The user was there when this message came, which mentions those who are.
    Here(ConversationId, Sequence),
    Scheduled(ScheduledMessage),
}

/// Where a fact lies among its user's: a kind, then what it is about, in the order of bytes.
pub type FactKey = Vec<u8>;

/// What a key begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum FactKind {
    ReadReceipts = 0x10,
    PresenceTo = 0x11,
    LastSeenTo = 0x12,
    LastSeen = 0x13,
    Blocked = 0x14,
    Conversation = 0x20,
    Hidden = 0x28,
    /// Above what a session loads: these are large.
    Draft = 0x30,
    ThreadRead = 0x50,
    ThreadFollowed = 0x51,
    Here = 0x58,
    Scheduled = 0x60,
}

impl Fact {
    /// The key under which only the last write counts.
    #[must_use]
    pub fn key(&self) -> FactKey {
        match self {
            Self::ReadReceipts(_) => key(FactKind::ReadReceipts, &[]),
            Self::PresenceTo(_) => key(FactKind::PresenceTo, &[]),
            Self::LastSeenTo(_) => key(FactKind::LastSeenTo, &[]),
            Self::LastSeen(_) => key(FactKind::LastSeen, &[]),
            Self::Blocked(user) => key(FactKind::Blocked, &[user.as_bytes()]),
            Self::MutedUntil(id, _) => key(FactKind::Conversation, &[id.as_bytes(), &[1]]),
            Self::Archived(id) => key(FactKind::Conversation, &[id.as_bytes(), &[2]]),
            Self::Pinned(id) => key(FactKind::Conversation, &[id.as_bytes(), &[3]]),
            Self::Draft(id, _) => key(FactKind::Draft, &[id.as_bytes()]),
            Self::Hidden(id, seq) => key(FactKind::Hidden, &[id.as_bytes(), &seq.0.to_be_bytes()]),
            Self::ThreadRead { conversation, root, .. } => {
                key(FactKind::ThreadRead, &[conversation.as_bytes(), &root.0.to_be_bytes()])
            }
            Self::ThreadFollowed { conversation, root, .. } => {
                key(FactKind::ThreadFollowed, &[conversation.as_bytes(), &root.0.to_be_bytes()])
            }
            Self::Here(id, seq) => key(FactKind::Here, &[id.as_bytes(), &seq.0.to_be_bytes()]),
            Self::Scheduled(it) => key(FactKind::Scheduled, &[it.scheduled_id.as_bytes()]),
        }
    }
}

fn key(kind: FactKind, parts: &[&[u8]]) -> FactKey {
    let mut key = vec![kind as u8];
    parts.iter().for_each(|part| key.extend_from_slice(part));
    key
}

/// Keys from `from` up to and without `to`, at most `limit` of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FactRange {
    pub from: FactKey,
    pub to: FactKey,
    pub limit: usize,
}

impl FactRange {
    /// All facts from one kind to another, both included.
    #[must_use]
    pub fn kinds(first: FactKind, last: FactKind, limit: usize) -> Self {
        Self { from: vec![first as u8], to: vec![last as u8 + 1], limit }
    }

    /// The facts of one kind that are about this.
    #[must_use]
    pub fn about(kind: FactKind, what: &[u8], limit: usize) -> Self {
        let from = key(kind, &[what]);
        let mut to = from.clone();
        // What follows in a key is never 16 bytes of ones.
        to.extend_from_slice(&[u8::MAX; 17]);
        Self { from, to, limit }
    }

    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.from.as_slice() <= key && key < self.to.as_slice()
    }
}

/// A fact to be written, or to be taken away.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FactWrite {
    pub user_id: UserId,
    /// Of two writes of a key the one with the higher stamp counts.
    pub stamp: i64,
    /// Names the key; what it says is written unless it is taken away.
    pub fact: Fact,
    pub is_gone: bool,
}

/// A message that is due at a time, for whoever sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Due {
    /// Milliseconds since 1970 UTC.
    pub send_at: i64,
    pub scheduled_id: ScheduledId,
    pub user_id: UserId,
    /// Its shard's owner sends.
    pub conversation_id: ConversationId,
}

impl Settings {
    /// As facts say.
    #[must_use]
    pub fn of<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> Self {
        let mut settings = Self::default();
        for fact in facts {
            match fact {
                Fact::ReadReceipts(on) => settings.read_receipts = *on,
                Fact::PresenceTo(to) => settings.presence = *to,
                Fact::LastSeenTo(to) => settings.last_seen = *to,
                _ => {}
            }
        }
        settings
    }
}

impl ConversationSettings {
    /// Applies a fact about the conversation.
    pub const fn apply(&mut self, fact: &Fact) {
        match fact {
            Fact::MutedUntil(_, until) => self.muted_until = Some(*until),
            Fact::Archived(_) => self.archived = true,
            Fact::Pinned(_) => self.pinned = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lie_by_kind_and_then_by_what_they_are_about() {
        let id = |byte: u8| ConversationId::from_bytes([byte; 16]);
        let hidden = |byte, seq| Fact::Hidden(id(byte), Sequence(seq)).key();
        let range = FactRange::about(FactKind::Hidden, id(7).as_bytes(), 10);
        assert!(range.contains(&hidden(7, 0)) && range.contains(&hidden(7, u64::MAX)));
        assert!(!range.contains(&hidden(6, 9)) && !range.contains(&hidden(8, 0)));
        let ones = FactRange::about(FactKind::Hidden, id(255).as_bytes(), 10);
        assert!(ones.contains(&hidden(255, u64::MAX)) && !ones.contains(&hidden(7, 1)));
        let kinds = FactRange::kinds(FactKind::ReadReceipts, FactKind::Blocked, 10);
        assert!(kinds.contains(&Fact::Blocked(UserId::from_bytes([255; 16])).key()));
        assert!(kinds.contains(&Fact::LastSeen(3).key()));
        assert!(!kinds.contains(&Fact::Archived(id(1)).key()));
    }

    #[test]
    fn settings_are_the_defaults_with_what_was_set() {
        assert_eq!(Settings::of(&[]), Settings::default());
        let set = [Fact::PresenceTo(Visibility::Nobody), Fact::ReadReceipts(false)];
        let settings = Settings::of(&set);
        assert_eq!((settings.presence, settings.read_receipts), (Visibility::Nobody, false));
        assert_eq!(settings.last_seen, Visibility::Everyone);
    }
}
