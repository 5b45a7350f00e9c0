//! Ranges of the log that are read from the store, again and again until they are all there.

use std::collections::BTreeMap;

use schema::record::Entry;
use schema::{ConversationId, Sequence, SequenceRange};

use super::actor::{Address, Context};
use super::message::{Message, ToConversation};
use super::store_model::{Call, Ticket};

/// A stored range is in the readers' tables within this time.
const DEADLINE_MS: u64 = 5_000;
const PAUSE_MS_MAX: u64 = 500;

/// What a range is for.
#[derive(Clone, Debug)]
pub enum Then {
    /// The conversation itself missed it.
    Repair,
    Page {
        session: Address,
        socket: u64,
        head: Sequence,
    },
}

struct RangeRead {
    /// With what memory holds of the entries after the range.
    waiting: Vec<(Then, Vec<Entry>)>,
    deadline_ms: u64,
    pause_ms: u64,
}

#[derive(Default)]
pub struct RangeReads {
    reads: BTreeMap<(Sequence, Sequence), RangeRead>,
}

impl RangeReads {
    pub fn wait(
        &mut self,
        id: ConversationId,
        range: SequenceRange,
        then: Then,
        held: Vec<Entry>,
        ctx: &mut Context<'_>,
    ) {
        let read = self.reads.entry((range.first, range.last)).or_insert_with(|| {
            ctx.call(Ticket::Range(range), Call::Range(id, range));
            let deadline_ms = ctx.now_ms + DEADLINE_MS;
            RangeRead { waiting: Vec::new(), deadline_ms, pause_ms: 10 }
        });
        read.waiting.push((then, held));
    }

    /// The store answered: who is served now, and with what.
    pub fn done(
        &mut self,
        range: SequenceRange,
        answer: Option<Vec<Entry>>,
        ctx: &mut Context<'_>,
    ) -> Vec<(Then, Option<Vec<Entry>>)> {
        let key = (range.first, range.last);
        let Some(read) = self.reads.get_mut(&key) else { return Vec::new() };
        let complete = answer.filter(|entries| entries.len() as u64 == range.len());
        if complete.is_none() && ctx.now_ms + read.pause_ms < read.deadline_ms {
            let (first, last) = key;
            let again = ToConversation::ReadAgain { first, last };
            ctx.later(read.pause_ms, Message::Conversation(again));
            read.pause_ms = (read.pause_ms * 2).min(PAUSE_MS_MAX);
            return Vec::new();
        }
        let Some(read) = self.reads.remove(&key) else { return Vec::new() };
        let serve = |(then, held): (Then, Vec<Entry>)| {
            let entries = complete.clone().map(|mut entries| {
                entries.extend(held);
                entries
            });
            (then, entries)
        };
        read.waiting.into_iter().map(serve).collect()
    }

    /// The pause before another try is over.
    pub fn again(&self, id: ConversationId, range: SequenceRange, ctx: &mut Context<'_>) {
        if self.reads.contains_key(&(range.first, range.last)) {
            ctx.call(Ticket::Range(range), Call::Range(id, range));
        }
    }

    /// Who waits for pages.
    pub fn pages(&self) -> impl Iterator<Item = (Address, u64)> {
        self.reads.values().flat_map(|read| &read.waiting).filter_map(|(then, _)| match then {
            Then::Page { session, socket, .. } => Some((*session, *socket)),
            Then::Repair => None,
        })
    }
}
