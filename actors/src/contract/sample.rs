//! Values that the suites are fed with.

use std::sync::Arc;

use schema::record::{
    Content, ConversationKind, ConversationPatch, Entry, Event, Member, MessageBody,
    PositionAdvance, Role,
};
use schema::{ConversationId, DeviceId, MessageId, Sequence, UserId};

use crate::ports::{MaterialisedCommit, NewConversation};

/// A moment in 2023, milliseconds since 1970 UTC.
pub const NOW_MS: i64 = 1_700_000_000_000;

pub fn text(text: &str) -> Event {
    Event::Message(MessageBody::new(Content::Text { text: text.to_owned() }))
}

/// An entry with a new message id, sent `seq` milliseconds after [`NOW_MS`].
pub fn entry(conversation_id: ConversationId, seq: u64, sender_id: UserId, event: Event) -> Entry {
    Entry {
        conversation_id,
        seq: Sequence(seq),
        message_id: MessageId::generate(),
        sender_id,
        sent_at: NOW_MS + i64::try_from(seq).expect("a small number"),
        ordinal: 0,
        event,
    }
}

/// Text entries with the numbers `first..=last`.
pub fn texts(
    conversation: ConversationId,
    sender: UserId,
    numbers: std::ops::RangeInclusive<u64>,
) -> Vec<Entry> {
    numbers.map(|seq| entry(conversation, seq, sender, text(&format!("number {seq}")))).collect()
}

pub fn commit(n: u64, entries: Vec<Entry>) -> MaterialisedCommit {
    MaterialisedCommit { shard: 0, n, entries: Arc::from(entries) }
}

pub const fn member(user_id: UserId) -> Member {
    Member { user_id, role: Role::Member }
}

pub fn added(members: &[UserId]) -> Event {
    Event::MembersChanged {
        added: members.iter().copied().map(member).collect(),
        removed: Vec::new(),
    }
}

pub fn removed(members: &[UserId]) -> Event {
    Event::MembersChanged { added: Vec::new(), removed: members.to_vec() }
}

pub fn edited(target: u64, text: &str) -> Event {
    let content = Content::Text { text: text.to_owned() };
    Event::MessageEdited {
        target: Sequence(target),
        content,
        mentions: Vec::new(),
        expires_at: None,
    }
}

pub const fn deleted(target: u64) -> Event {
    Event::MessageDeleted { target: Sequence(target) }
}

pub fn reacted(target: u64, emoji: &str, on: bool) -> Event {
    Event::ReactionChanged { target: Sequence(target), emoji: emoji.to_owned(), on }
}

pub fn renamed(name: &str) -> Event {
    Event::ConversationChanged(Box::new(ConversationPatch::named(name)))
}

/// A group whose first member is its creator and owner.
pub fn group(members: &[UserId]) -> NewConversation {
    let roles = std::iter::once(Role::Owner).chain(std::iter::repeat(Role::Member));
    NewConversation {
        conversation_id: ConversationId::generate(),
        kind: ConversationKind::Group,
        name: Some("Weather".to_owned()),
        created_by: members[0],
        created_at: NOW_MS,
        members: members
            .iter()
            .zip(roles)
            .map(|(&user_id, role)| Member { user_id, role })
            .collect(),
    }
}

/// A direct conversation made by `creator`.
pub fn direct(creator: UserId, other: UserId) -> NewConversation {
    NewConversation {
        conversation_id: ConversationId::generate(),
        kind: ConversationKind::Direct,
        name: None,
        created_by: creator,
        created_at: NOW_MS,
        members: vec![member(creator), member(other)],
    }
}

pub const fn read_up_to(
    user_id: UserId,
    conversation_id: ConversationId,
    seq: u64,
) -> PositionAdvance {
    let read = Some(Sequence(seq));
    PositionAdvance { user_id, conversation_id, delivered: None, read, is_private: false }
}

pub const fn delivered_up_to(
    user_id: UserId,
    device: DeviceId,
    conversation_id: ConversationId,
    seq: u64,
) -> PositionAdvance {
    PositionAdvance {
        user_id,
        conversation_id,
        delivered: Some((device, Sequence(seq))),
        read: None,
        is_private: false,
    }
}

/// `count` new users.
pub fn users<const COUNT: usize>() -> [UserId; COUNT] {
    std::array::from_fn(|_| UserId::generate())
}

/// The same items in another order, the same for the same seed.
pub fn shuffled<T: Clone>(items: &[T], seed: u64) -> Vec<T> {
    let mut shuffled = items.to_vec();
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for last in (1..shuffled.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let other = usize::try_from(state % (last as u64 + 1)).expect("below the length");
        shuffled.swap(last, other);
    }
    shuffled
}
