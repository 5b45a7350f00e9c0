//! Messages, the tokens of owners, and how a sequencer numbers.

use actors::sequencer::core::{Decision, Found, Recovered, SequencerCore};
use schema::record::{Draft, Entry, Event};
use schema::{ConversationId, MessageId, OwnerToken, UserId};

use super::driver::Driver;
use super::mutant::Mutant;
use super::tables::Tables;

/// A message's id, counted from zero, and the number it got: what an entry is to the judge.
pub type Tag = (u8, u64);

/// The one conversation.
pub const CONVERSATION: ConversationId = ConversationId::from_bytes([7; 16]);

/// Calendar time of everything, milliseconds: it decides nothing.
const NOW_MS: i64 = 1_800_000_000_000;

/// Activations are counted in the order in which they start.
#[must_use]
pub const fn token(activation: u8) -> OwnerToken {
    OwnerToken::from_bytes([activation + 1; 16])
}

#[must_use]
pub fn draft(id: u8, retry: bool) -> Draft {
    let mut bytes = [0; 16];
    (bytes[6], bytes[15]) = (0x70, id);
    Draft {
        conversation_id: CONVERSATION,
        message_id: MessageId::from_bytes(bytes),
        sender_id: UserId::from_bytes([9; 16]),
        event: Event::ConversationChanged(Box::default()),
        retry,
    }
}

/// The entry that a tag stands for, byte for byte.
#[must_use]
pub fn entry((id, seq): Tag) -> Entry {
    let Draft { conversation_id, message_id, sender_id, event, .. } = draft(id, false);
    let seq = schema::Sequence(seq);
    Entry { conversation_id, seq, message_id, sender_id, sent_at: NOW_MS, ordinal: 0, event }
}

#[must_use]
pub fn tags(entries: &[Entry]) -> Vec<Tag> {
    entries.iter().map(|entry| (entry.message_id.as_bytes()[15], entry.seq.0)).collect()
}

/// What a sequencer that is loaded for this one draft decides: its committer's memory, then the
/// tables, then the index of sent ids.
#[must_use]
pub fn decide(driver: &Driver, tables: &Tables, draft: &Draft, mutant: Mutant) -> Decision {
    let pending = driver.entries_of(CONVERSATION);
    let recovered = Recovered { head: tables.head(), recent: Vec::new(), pending };
    let mut sequencer = SequencerCore::recover(CONVERSATION, &recovered);
    match sequencer.submit(draft, NOW_MS) {
        Decision::LookUp => {
            let found = match tables.sent(draft.message_id.as_bytes()[15]) {
                Some(_) if mutant == Mutant::NoSentIndex => Found::Absent,
                None => Found::Absent,
                Some(tag) => Found::Stored(Box::new(entry(tag))),
            };
            sequencer.after_lookup(draft, &found, NOW_MS)
        }
        decided => decided,
    }
}
