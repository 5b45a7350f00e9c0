//! What a sequencer remembers of ids it has numbered, and since when. Pure.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use schema::record::{Content, Entry, Event, MessageBody};
use schema::{MessageId, Sequence, UserId};

use super::faded::Faded;

/// Clients' clocks may be off by this much, milliseconds.
pub const CLOCK_LEEWAY_MS: i64 = 5 * 60 * 1000;

/// Ids per generation; two generations are kept. Many busy conversations each fill theirs.
const GENERATION_MAX: usize = 1024;

/// A numbered id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pub seq: Sequence,
    pub sent_at: i64,
    /// Of the event: tells a retry from a reused id.
    pub digest: u64,
}

/// Digest of what says nothing any more.
const NOTHING_LEFT: u64 = 0;

impl Known {
    /// Whether a draft with this digest says the same, as far as can be told.
    #[must_use]
    pub const fn is_repeated_by(&self, digest: u64) -> bool {
        self.digest == digest || self.digest == NOTHING_LEFT
    }
}

/// Digest of an event's content, for comparison within this process only.
#[must_use]
pub fn digest(event: &Event) -> u64 {
    let mut hasher = DefaultHasher::new();
    match event {
        Event::Message(MessageBody { content: Content::Deleted {}, .. })
        | Event::MessageEdited { content: Content::Deleted {}, .. } => return NOTHING_LEFT,
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
/// The order of a hash map decides nothing.
#[derive(Debug, Default)]
pub struct Dedupe {
    current: HashMap<Key, Known>,
    previous: HashMap<Key, Known>,
    /// Where `current` begins: the number before it.
    began: Sequence,
    faded: Faded,
    /// When the oldest remembered entry was sent; `None` while nothing was forgotten.
    covered_since_ms: Option<i64>,
}

impl Dedupe {
    /// `covered_since_ms`: when the oldest entry that will be remembered was sent (`None` for a
    /// conversation without any before it).
    #[must_use]
    pub fn new(covered_since_ms: Option<i64>) -> Self {
        Self { covered_since_ms, ..Self::default() }
    }

    /// Remembers an entry. Entries come in the order of their numbers. What is older than
    /// `materialised` may be forgotten when there is too much: the store's index has it.
    pub fn remember(&mut self, entry: &Entry, digest: u64, materialised: Sequence) {
        if self.current.len() >= GENERATION_MAX && self.began <= materialised {
            let current = std::mem::take(&mut self.current);
            let fading = std::mem::replace(&mut self.previous, current);
            let oldest_ms = fading.values().map(|known| known.sent_at).min();
            let since_ms = oldest_ms.and_then(|oldest| self.faded.take(oldest, fading.keys()));
            self.covered_since_ms = since_ms.or(self.covered_since_ms);
            self.began = entry.seq.back(1);
        }
        let known = Known { seq: entry.seq, sent_at: entry.sent_at, digest };
        self.current.insert((entry.sender_id, entry.message_id), known);
    }

    #[must_use]
    pub fn get(&self, sender: UserId, message: MessageId) -> Option<Known> {
        let key = (sender, message);
        self.current.get(&key).or_else(|| self.previous.get(&key)).copied()
    }

    /// True when an id that is not known here cannot have been stored before: it has left no trace,
    /// and memory covers all of the conversation, or the id was made well after the oldest thing
    /// remembered.
    #[must_use]
    pub fn proves_new(&self, sender: UserId, message: MessageId, retry: bool) -> bool {
        if self.faded.has(&(sender, message)) {
            return false;
        }
        let Some(since_ms) = self.covered_since_ms else { return true };
        !retry && message.unix_ms().is_some_and(|made_ms| made_ms > since_ms + CLOCK_LEEWAY_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::committer::tests::entry;

    /// Remembers entries `1..=count`, made and sent one a millisecond, all materialised.
    fn flood(count: u64) -> (Dedupe, impl Fn(u64) -> Entry) {
        let numbered = |seq: u64| {
            let message_id = MessageId::from_bytes(u128::from(seq).to_be_bytes());
            let sent_at = i64::try_from(seq).unwrap();
            Entry { message_id, sent_at, ..entry(1, seq, "x") }
        };
        let mut dedupe = Dedupe::new(None);
        for seq in 1..=count {
            dedupe.remember(&numbered(seq), 0, Sequence(seq));
        }
        (dedupe, numbered)
    }

    #[test]
    fn old_ids_leave_a_trace_and_new_ones_are_proved_new_without_a_clock() {
        let (dedupe, numbered) = flood(20_000);
        let is_new = |seq| {
            let Entry { sender_id, message_id, .. } = numbered(seq);
            dedupe.get(sender_id, message_id).is_none()
                && dedupe.proves_new(sender_id, message_id, true)
        };
        assert!((1..=20_000).all(|seq| !is_new(seq)));
        // One may share a fingerprint.
        assert!((20_001..=20_100).filter(|seq| is_new(*seq)).count() >= 99);
        let Entry { sender_id, message_id, .. } = numbered(1);
        assert_eq!(dedupe.get(sender_id, message_id), None, "only a trace is left");
    }

    /// Fifty a second for an hour: what clocks prove new needs no trace.
    #[test]
    fn a_busy_hour_leaves_the_traces_of_some_minutes_and_new_ids_are_still_proved_new() {
        let sender = entry(1, 1, "x").sender_id;
        let mut dedupe = Dedupe::new(None);
        let made_at = |ms: i64| {
            let (seconds, rest_ms) = (ms / 1000, ms % 1000);
            let (seconds, rest_ms) =
                (u64::try_from(seconds).unwrap(), u32::try_from(rest_ms).unwrap());
            let stamp = uuid::Timestamp::from_unix(uuid::NoContext, seconds, rest_ms * 1_000_000);
            MessageId(uuid::Uuid::new_v7(stamp))
        };
        let (mut most, mut looked_up) = (0, 0);
        for seq in 1..=180_000 {
            let sent_at = 1_800_000_000_000 + i64::try_from(seq).unwrap() * 20;
            let message_id = made_at(sent_at);
            looked_up += usize::from(!dedupe.proves_new(sender, message_id, false));
            let one = Entry { message_id, sent_at, ..entry(1, seq, "x") };
            dedupe.remember(&one, 0, Sequence(seq));
            most = most.max(dedupe.faded.len());
        }
        assert!(most > 18_000 && most < 27_000, "{most} traces");
        assert!(looked_up < 50, "{looked_up} ids were looked up");
        // What left no trace, and tells no time, is not proved new.
        assert!(dedupe.covered_since_ms.is_some());
        assert!(!dedupe.proves_new(sender, MessageId::from_bytes([7; 16]), false));
        assert!(!dedupe.proves_new(sender, made_at(1_900_000_000_000), true));
    }
}
