//! What a simulated conversation knows of its log: the next entries, gaps, pages.

use std::sync::Arc;

use schema::record::Entry;
use schema::{Sequence, SequenceRange};

use super::actor::{Address, Context, Observation};
use super::conversation::{Conversation, Waiting};
use super::conversation_route::Route;
use super::message::{Message, ToSession};
use super::mutants::Mutant;
use super::range_reads::Then;
use crate::conversation::LogEntry;
use crate::conversation::gap::{Arrival, judge};
use crate::conversation::recent::Recent;
use crate::node::Submitted;

impl Conversation {
    /// Entries came from the sequencer, another node or a repair: deliver them if they are next.
    pub(super) fn arrive(&mut self, entries: &[Entry], ctx: &mut Context<'_>) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
        match judge(self.head, first.seq, last.seq) {
            Arrival::Old => {}
            Arrival::Next { skip } => {
                let skip = usize::try_from(skip).unwrap_or(usize::MAX);
                self.deliver(&entries[skip..], ctx);
            }
            Arrival::Gap(_) if ctx.mutant == Mutant::DeliverOverGaps => {
                self.recent = Recent::default();
                self.deliver(entries, ctx);
            }
            Arrival::Gap(missing) => self.repair(SequenceRange::new(missing.first, last.seq), ctx),
        }
    }

    /// Somebody says that the log reaches to `head`.
    pub(super) fn hear_of(&mut self, head: Sequence, ctx: &mut Context<'_>) {
        if self.is_loaded && head > self.head {
            self.repair(SequenceRange::new(self.head.next(), head), ctx);
        }
    }

    fn repair(&mut self, range: SequenceRange, ctx: &mut Context<'_>) {
        ctx.observe(Observation::GapRepair);
        self.read_range(range, Then::Repair, ctx);
    }

    fn deliver(&mut self, entries: &[Entry], ctx: &mut Context<'_>) {
        for entry in entries {
            self.head = entry.seq;
            self.recent.push(Arc::new(LogEntry::new(entry.clone())), self.materialised);
            self.answer_by_entry(entry, ctx);
        }
        let entries: Arc<[Entry]> = entries.into();
        let conversation = self.id;
        self.listeners.retain(|_, session| {
            let deliver = ToSession::Deliver { conversation, entries: entries.clone() };
            ctx.tell(*session, Message::Session(deliver))
        });
    }

    /// A forwarded draft's own entry overtook the owner's answer: it is the answer.
    fn answer_by_entry(&mut self, entry: &Entry, ctx: &mut Context<'_>) {
        if !matches!(self.route, Route::Elsewhere(_)) {
            return;
        }
        let is_its = |waiting: &Waiting| {
            (waiting.draft.sender_id, waiting.draft.message_id)
                == (entry.sender_id, entry.message_id)
                && waiting.draft.event == entry.event
        };
        let tokens: Vec<u64> =
            self.pending.iter().filter(|(_, it)| is_its(it)).map(|(token, _)| *token).collect();
        let mut duplicate = false;
        if let Some(first) = tokens.first() {
            self.give_up_before(*first, ctx);
        }
        for token in tokens {
            let submitted = Submitted { seq: entry.seq, sent_at: entry.sent_at, duplicate };
            self.answer(token, Ok(submitted), ctx);
            duplicate = true;
        }
    }

    pub(super) fn read_page(
        &mut self,
        session: Address,
        socket: u64,
        after: Sequence,
        ctx: &mut Context<'_>,
    ) {
        if !self.is_loaded {
            ctx.tell(session, Message::no_page(socket, self.id));
            return;
        }
        let range = SequenceRange::above(after, ctx.schedule.page, self.head);
        let then = Then::Page { session, socket, head: self.head };
        self.read_range(range, then, ctx);
    }

    /// Gives a stored range to `then`, from memory and, for what memory lacks, the store.
    fn read_range(&mut self, range: SequenceRange, then: Then, ctx: &mut Context<'_>) {
        let (older, held) =
            if range.is_empty() { (range, Vec::new()) } else { self.recent.split(range) };
        let held: Vec<Entry> = held.iter().map(|log| log.entry.clone()).collect();
        if older.is_empty() {
            return self.after_read(then, Some(held), ctx);
        }
        self.reads.wait(self.id, older, then, held, ctx);
    }

    pub(super) fn after_read(
        &mut self,
        then: Then,
        entries: Option<Vec<Entry>>,
        ctx: &mut Context<'_>,
    ) {
        match then {
            Then::Repair => self.arrive(&entries.unwrap_or_default(), ctx),
            Then::Page { session, socket, head } => {
                let page = entries.map(|entries| (entries, head));
                let conversation = self.id;
                let page = ToSession::Page { socket, conversation, page };
                ctx.tell(session, Message::Session(page));
            }
        }
    }
}
