//! What a simulated conversation knows of its log: the next entries, gaps, pages.

use std::sync::Arc;

use schema::record::Entry;
use schema::{Sequence, SequenceRange};

use super::actor::{Address, Context, Observation};
use super::conversation::{Claim, Conversation};
use super::message::{Message, ToConversation, ToSession};
use super::mutants::Mutant;
use super::range_reads::Then;
use super::store_model::{Call, Ticket};
use crate::conversation::LogEntry;
use crate::conversation::gap::{Arrival, judge};
use crate::conversation::recent::Recent;
use crate::ports::Owner;

/// A repair that was not heard of for longer is begun again.
const REPAIR_MS_MAX: u64 = 10_000;
/// What a device claims to have is waited for this long: longer than any shard is without an owner.
const CLAIM_MS_MAX: u64 = 60_000;

impl Conversation {
    /// Entries came from the sequencer or a repair: deliver them if they are the next ones.
    pub(super) fn arrive(&mut self, entries: &[Entry], ctx: &mut Context<'_>) {
        let Some(serving) = &mut self.serving else { return };
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
        let takes_all = ctx.mutant == Mutant::DeliverOverGaps
            || ctx.mutant == Mutant::FollowersDeliverOverGaps && !serving.is_here();
        match judge(serving.head, first.seq, last.seq) {
            Arrival::Old => {}
            Arrival::Next { skip } => {
                let skip = usize::try_from(skip).unwrap_or(usize::MAX);
                self.deliver(&entries[skip..], ctx);
            }
            Arrival::Gap(_) if takes_all => {
                serving.recent = Recent::default();
                self.deliver(entries, ctx);
            }
            Arrival::Gap(_) => {
                serving.known_head = serving.known_head.max(last.seq);
                self.repair(ctx);
            }
        }
        self.arm_tick(ctx);
    }

    /// The log reaches to `head`: what is missing before it is read.
    pub(super) fn on_head(&mut self, head: Sequence, ctx: &mut Context<'_>) {
        let Some(serving) = &mut self.serving else { return };
        serving.known_head = serving.known_head.max(head);
        self.repair(ctx);
        self.arm_tick(ctx);
    }

    /// Reads what is missing before the known end of the log, a piece at a time.
    pub(super) fn repair(&mut self, ctx: &mut Context<'_>) {
        let Some(serving) = &mut self.serving else { return };
        let is_repairing =
            serving.repairing_since_ms.is_some_and(|it| ctx.now_ms < it + REPAIR_MS_MAX);
        if is_repairing || !serving.is_behind() {
            return;
        }
        ctx.observe(Observation::GapRepair);
        serving.repairing_since_ms = Some(ctx.now_ms);
        let range = SequenceRange::above(serving.head, ctx.schedule.repair, serving.known_head);
        self.read_range(range, Then::Repair, ctx);
    }

    pub(super) fn on_repaired(&mut self, entries: Option<Vec<Entry>>, ctx: &mut Context<'_>) {
        let Some(serving) = &mut self.serving else { return };
        serving.repairing_since_ms = None;
        // Else tried again by the tick.
        if let Some(entries) = entries {
            self.arrive(&entries, ctx);
            self.repair(ctx);
        }
    }

    fn deliver(&mut self, entries: &[Entry], ctx: &mut Context<'_>) {
        let Some(serving) = &mut self.serving else { return };
        for entry in entries {
            serving.head = entry.seq;
            let log = Arc::new(LogEntry::new(entry.clone()));
            serving.recent.push(log, serving.materialised);
        }
        let entries: Arc<[Entry]> = entries.into();
        let conversation = self.id;
        serving.listeners.retain(|_, session| {
            let deliver = ToSession::Deliver { conversation, entries: entries.clone() };
            ctx.tell(*session, Message::Session(deliver))
        });
    }

    pub(super) fn read_page(
        &mut self,
        session: Address,
        socket: u64,
        after: Sequence,
        ctx: &mut Context<'_>,
    ) {
        let is_answered = self.check_claim(after, ctx);
        let Some(serving) = self.serving.as_ref().filter(|_| is_answered) else {
            ctx.tell(session, Message::no_page(socket, self.id));
            return;
        };
        let range = SequenceRange::above(after, ctx.schedule.page, serving.head);
        let then = Then::Page { session, socket, head: serving.head };
        self.read_range(range, then, ctx);
    }

    /// A device may have come from a node that was ahead of this one, also where this one believes
    /// that it gives the numbers: what it claims to have is waited for, for a while, before it is
    /// told that there is no such thing.
    fn check_claim(&mut self, position: Sequence, ctx: &mut Context<'_>) -> bool {
        let Some(serving) = &mut self.serving else { return false };
        // What was claimed before and has come says nothing about this claim.
        serving.claim.take_if(|claim| claim.position <= serving.head);
        if position <= serving.head || ctx.schedule.is_embedded {
            return true;
        }
        let now_ms = ctx.now_ms;
        let fresh = Claim { position, since_ms: now_ms, is_doubtful: false };
        let claim = *serving.claim.get_or_insert(fresh);
        let heard = ctx.shared.peers.tables.following.head(self.id).max(Some(serving.known_head));
        // A shard without an owner may be ahead of the store, and so may one cut off from here.
        let has_owner = ctx.owner(ctx.shard_of(self.id)) != Owner::Unknown;
        let can_tell = ctx.shared.is_connected && has_owner;
        let is_late = now_ms > claim.since_ms + CLAIM_MS_MAX;
        if is_late && claim.is_doubtful && can_tell && Some(position) > heard {
            return true;
        }
        ctx.observe(Observation::Claimed);
        ctx.call(Ticket::Claimed, Call::Head(self.id));
        false
    }

    /// Gives a stored range to `then`, from memory and, for what memory lacks, the store.
    fn read_range(&mut self, range: SequenceRange, then: Then, ctx: &mut Context<'_>) {
        let Some(serving) = &mut self.serving else { return };
        let (older, held) =
            if range.is_empty() { (range, Vec::new()) } else { serving.recent.split(range) };
        let held: Vec<Entry> = held.iter().map(|log| log.entry.clone()).collect();
        if older.is_empty() {
            return self.after_read(then, Some(held), ctx);
        }
        serving.reads.wait(self.id, older, then, held, ctx);
    }

    pub(super) fn after_read(
        &mut self,
        then: Then,
        entries: Option<Vec<Entry>>,
        ctx: &mut Context<'_>,
    ) {
        match then {
            Then::Repair => {
                let repaired = ToConversation::Repaired(entries);
                ctx.tell(ctx.me, Message::Conversation(repaired));
            }
            Then::Page { session, socket, head } => {
                let page = entries.map(|entries| (entries, head));
                let conversation = self.id;
                let page = ToSession::Page { socket, conversation, page };
                ctx.tell(session, Message::Session(page));
            }
        }
    }
}
