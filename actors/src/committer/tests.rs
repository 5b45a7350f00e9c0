//! Helpers of this room's tests.

use schema::record::{Content, Entry, Event, MessageBody};
use schema::{ConversationId, MessageId, Sequence, UserId};

/// A text message of conversation `id` with number `seq`.
pub fn entry(id: u8, seq: u64, text: &str) -> Entry {
    Entry {
        conversation_id: ConversationId::from_bytes([id; 16]),
        seq: Sequence(seq),
        message_id: MessageId::generate(),
        sender_id: UserId::from_bytes([9; 16]),
        sent_at: 1_800_000_000_000,
        ordinal: 0,
        event: Event::Message(MessageBody::new(Content::Text { text: text.into() })),
    }
}
