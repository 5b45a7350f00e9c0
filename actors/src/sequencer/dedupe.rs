//! What a sequencer remembers of ids it has numbered, and since when. Pure.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use schema::record::{Entry, Event, MessageBody};
use schema::{MessageId, Sequence, UserId};

/// Clients' clocks may be off by this much, milliseconds.
pub const CLOCK_LEEWAY_MS: i64 = 5 * 60 * 1000;

/// Ids per generation; two generations are kept.
const GENERATION_MAX: usize = 4096;

/// A numbered id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pub seq: Sequence,
    pub sent_at: i64,
    /// Of the event: tells a retry from a reused id.
    pub digest: u64,
}

/// Digest of an event's content, for comparison within this process only.
#[must_use]
pub fn digest(event: &Event) -> u64 {
    let mut hasher = DefaultHasher::new();
    match event {
        // Less what the server adds: it may be another when a draft comes again.
        Event::Message(body) => {
            let MessageBody { content, reply_to, thread, mentions, mention_all, .. } = body;
            (content, reply_to, thread, mentions, mention_all).hash(&mut hasher);
            body.forwarded_from.hash(&mut hasher);
        }
        Event::MessageEdited { target, content, mentions, .. } => {
            (target, content, mentions, "edit").hash(&mut hasher);
        }
        other => other.hash(&mut hasher),
    }
    hasher.finish()
}

type Key = (UserId, MessageId);

/// The ids of the newest entries of one conversation.
///
/// Never iterated: the order of a hash map decides nothing.
#[derive(Debug, Default)]
pub struct Dedupe {
    current: HashMap<Key, Known>,
    previous: HashMap<Key, Known>,
    /// Everything above this number is remembered.
    floor: Sequence,
    /// When the entry after `floor` was sent; `None` while nothing was forgotten.
    covered_since_ms: Option<i64>,
    /// Floor and time that apply when `previous` is dropped.
    next_floor: (Sequence, i64),
}

impl Dedupe {
    /// A memory that holds everything above `floor`. `covered_since_ms`: when the oldest
    /// remembered entry was sent (`None` for a conversation without any before it).
    #[must_use]
    pub fn new(floor: Sequence, covered_since_ms: Option<i64>) -> Self {
        Self { floor, covered_since_ms, ..Self::default() }
    }

    /// Remembers an entry. Entries come in the order of their numbers. What is older than
    /// `materialised` may be forgotten when there is too much: the store's index has it.
    pub fn remember(&mut self, entry: &Entry, digest: u64, materialised: Sequence) {
        if self.current.len() >= GENERATION_MAX && self.next_floor.0 <= materialised {
            self.previous = std::mem::take(&mut self.current);
            if self.next_floor.0 > Sequence::START {
                (self.floor, self.covered_since_ms) = (self.next_floor.0, Some(self.next_floor.1));
            }
            self.next_floor = (entry.seq.back(1), entry.sent_at);
        }
        let known = Known { seq: entry.seq, sent_at: entry.sent_at, digest };
        self.current.insert((entry.sender_id, entry.message_id), known);
    }

    #[must_use]
    pub fn get(&self, sender: UserId, message: MessageId) -> Option<Known> {
        let key = (sender, message);
        self.current.get(&key).or_else(|| self.previous.get(&key)).copied()
    }

    /// True when an id that is not remembered cannot have been stored before: memory covers all
    /// of the conversation, or the id was made well after the oldest thing remembered.
    #[must_use]
    pub fn proves_new(&self, message: MessageId, retry: bool) -> bool {
        let Some(since_ms) = self.covered_since_ms else { return true };
        !retry && message.unix_ms().is_some_and(|made_ms| made_ms > since_ms + CLOCK_LEEWAY_MS)
    }
}
