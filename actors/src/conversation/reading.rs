//! Pages and missing ranges: what memory holds at once, the rest from the store.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actix::{ActorFutureExt as _, Addr, AsyncContext as _, Context, WrapFuture as _};
use schema::record::Entry;
use schema::wire::Refusal;
use schema::{Sequence, SequenceRange, UserId, metric};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::actor::Conversation;
use super::changes::ChangesOf;
use super::gone::Gone;
use super::load;
use super::messages::{PageRead, Read};
use super::page::{HISTORY_PAGE_MAX, Page};
use super::read::{self, RangeRead};
use super::recent::scrub_page;
use super::roster::Visible;
use super::serving::Claim;
use crate::ports::{Owner, StoreError};

/// Entries read at once to close a gap.
const REPAIR_MAX: u64 = 300;
/// A repair without an answer by then is begun again.
const REPAIR_DEADLINE: Duration = Duration::from_secs(10);
/// What a device claims to have is waited for this long: longer than any shard is without an owner.
const CLAIM_MAX: Duration = Duration::from_secs(60);
/// A page beyond what is known here is held for as long before its reader is told to ask again:
/// longer than a shard takes to move.
pub const HELD_MAX: Duration = Duration::from_secs(3);
/// Looked at again after a share of the time waited: most wait for one answer of another node.
const HELD_LOOK_MIN: Duration = Duration::from_millis(4);
const HELD_LOOK_MAX: Duration = Duration::from_millis(50);
/// Pages of one conversation that are held at once.
pub(super) const HELD_PAGES_MAX: usize = 64;
/// What is claimed is looked for in the store at most this often.
const CLAIM_LOOK: Duration = Duration::from_millis(100);

impl Conversation {
    pub(super) fn read(&mut self, read: Read, ctx: &mut Context<Self>) {
        self.active_at = Instant::now();
        self.read_when_known(read, Instant::now(), ctx);
    }

    fn read_when_known(&mut self, mut read: Read, since: Instant, ctx: &mut Context<Self>) {
        if let Err(refusal) = self.check_claim(read.page, ctx) {
            if let Some(read) = self.hold(read, since, ctx) {
                let _ = read.reply.send(Err(refusal));
            }
            return;
        }
        if self.lacks_the_end_of(&read, ctx) {
            let Some(late) = self.hold(read, since, ctx) else { return };
            read = late;
        }
        if let Page::At(at) = read.page {
            return self.jump(read, at, ctx);
        }
        let range = match self.readable(read.reader, read.page, read.limit) {
            Ok(range) => range,
            Err(refusal) => return drop(read.reply.send(Err(refusal))),
        };
        let (range, head) = range;
        let changes = if read.with_states { self.changes_of(range, head) } else { None };
        // What memory holds was scrubbed there.
        let deleted = match &self.serving {
            Ok(serving) if !serving.recent.holds_from(range.first) => serving.recent.deleted(),
            _ => BTreeSet::new(),
        };
        let (gone, purged) = (self.gone(), self.purged_up_to());
        let answer = PageAnswer { reply: read.reply, range, head, changes, deleted, gone, purged };
        self.read_range(range, ctx, answer);
    }

    /// Whether somebody asks for the newest entries, and they are not here: some were heard of and have
    /// not come, or the shard's owner has not said yet where the log ends. Who was told of them, on
    /// whatever node, is to find them. They are read by the repair that is under way; devices are
    /// sent them when they come.
    fn lacks_the_end_of(&mut self, read: &Read, ctx: &mut Context<Self>) -> bool {
        let Ok(serving) = &self.serving else { return false };
        let head = serving.head;
        let reaches_the_end = match read.page {
            Page::Newest => true,
            Page::After(position) => head.0.saturating_sub(position.0) < read.limit,
            Page::Before(position) => position > head,
            Page::At(_) => false,
        };
        if !read.with_states || !reaches_the_end {
            return false;
        }
        let (is_behind, is_here) = (serving.is_behind(), serving.sequencer.is_here());
        if is_behind || is_here {
            return is_behind;
        }
        let peers = self.context.sequencers.committers().peers();
        if self.is_owner_heard() && !peers.is_told(self.id) {
            return true;
        }
        let Some(heard) = peers.head(self.id).filter(|heard| *heard > head) else { return false };
        self.on_head(heard, ctx);
        true
    }

    /// Lets a page wait for entries that are still on their way here, for a moment. Returns one that may
    /// wait no longer.
    fn hold(&mut self, read: Read, since: Instant, ctx: &mut Context<Self>) -> Option<Read> {
        let Ok(serving) = &mut self.serving else { return Some(read) };
        if since.elapsed() >= HELD_MAX || serving.held_pages >= HELD_PAGES_MAX {
            return Some(read);
        }
        serving.held_pages += 1;
        let look = (since.elapsed() / 2).clamp(HELD_LOOK_MIN, HELD_LOOK_MAX);
        ctx.run_later(look, move |actor, ctx| {
            if let Ok(serving) = &mut actor.serving {
                serving.held_pages -= 1;
            }
            actor.read_when_known(read, since, ctx);
        });
        None
    }

    fn purged_up_to(&self) -> Sequence {
        self.serving.as_ref().map_or(Sequence::START, |it| it.roster.record.purged_up_to)
    }

    /// Who could say where the log ends can be heard. A shard without an owner may be ahead of the store,
    /// and so may one cut off from here.
    fn is_owner_heard(&self) -> bool {
        let sequencers = &self.context.sequencers;
        let is_owned = sequencers.owner(self.id) != Owner::Unknown;
        is_owned && sequencers.committers().peers().is_connected()
    }

    /// A device may have come from a node that was ahead of this one, also where this one believes
    /// that it gives the numbers: what it claims to have is waited for, for a while, before it is
    /// told that there is no such thing.
    fn check_claim(&mut self, page: Page, ctx: &mut Context<Self>) -> Result<(), Refusal> {
        let peers = self.context.sequencers.committers().peers();
        let (Page::After(position), Ok(serving)) = (page, &mut self.serving) else {
            return Ok(());
        };
        let head = serving.head;
        // What was claimed before and has come says nothing about this claim.
        serving.claim.take_if(|claim| claim.position <= head);
        if position <= head || !peers.is_clustered() {
            return Ok(());
        }
        let claim = serving.claim.get_or_insert_with(|| Claim::to(position));
        let is_due = claim.looked_at.is_none_or(|at| at.elapsed() >= CLAIM_LOOK);
        if is_due {
            claim.looked_at = Some(Instant::now());
        }
        let claim = *claim;
        let heard = peers.head(self.id).max(Some(serving.known_head));
        let is_late = claim.since.elapsed() > CLAIM_MAX;
        if is_late && claim.is_doubtful && self.is_owner_heard() && Some(position) > heard {
            return Ok(());
        }
        if is_due {
            let head = self.context.messages.head(self.id);
            ctx.spawn(head.into_actor(self).map(|head, actor, ctx| {
                if let Ok(head) = head {
                    actor.on_claim_checked(head, ctx);
                }
            }));
        }
        Err(Refusal::retry_later("this node is behind").retry_after_ms(200))
    }

    fn on_claim_checked(&mut self, head: Sequence, ctx: &mut Context<Self>) {
        if let Ok(serving) = &mut self.serving
            && let Some(claim) = &mut serving.claim
        {
            claim.is_doubtful = head < claim.position;
        }
        self.on_head(head, ctx);
    }

    /// Reads what is missing before the known end of the log, a piece at a time.
    pub(super) fn repair(&mut self, ctx: &mut Context<Self>) {
        let Ok(serving) = &mut self.serving else { return };
        let is_repairing = serving.repairing_since.is_some_and(|it| it.elapsed() < REPAIR_DEADLINE);
        if is_repairing || !serving.is_behind() {
            return;
        }
        metrics::counter!(metric::GAP_REPAIRS).increment(1);
        serving.repairing_since = Some(Instant::now());
        let range = SequenceRange::above(serving.head, REPAIR_MAX, serving.known_head);
        self.read_range(range, ctx, Repair);
    }

    pub(super) fn on_repaired(&mut self, read: RangeRead, ctx: &mut Context<Self>) {
        let Ok(serving) = &mut self.serving else { return };
        serving.repairing_since = None;
        match read {
            Ok(entries) => {
                let entries: Arc<[Entry]> = entries.iter().map(|log| log.entry.clone()).collect();
                self.arrive(&entries, &[], ctx);
                self.repair(ctx);
            }
            // Tried again by the tick.
            Err(error) => tracing::debug!(%error, conversation = %self.id, "gap not read"),
        }
    }

    /// The numbers that a page holds, and the last one that the reader may see.
    pub(super) fn readable(
        &self,
        reader: UserId,
        page: Page,
        limit: u64,
    ) -> Result<(SequenceRange, Sequence), Refusal> {
        let serving = self.serving.as_ref().map_err(Clone::clone)?;
        let Visible { after, up_to } =
            serving.roster.visible(reader, serving.head).ok_or_else(Refusal::not_found)?;
        let limit = limit.clamp(1, HISTORY_PAGE_MAX);
        let range = match page {
            Page::After(position) => SequenceRange::above(position.max(after), limit, up_to),
            Page::Before(position) => {
                SequenceRange::below(position.min(up_to.next()), limit, after.next())
            }
            Page::Newest | Page::At(_) => SequenceRange::below(up_to.next(), limit, after.next()),
        };
        Ok((range, up_to))
    }

    /// Gives a stored range to `then`, from memory and, for what is older, the store.
    pub(super) fn read_range(
        &mut self,
        range: SequenceRange,
        ctx: &mut Context<Self>,
        then: impl AfterRead,
    ) {
        let Ok(serving) = &mut self.serving else { return };
        let (older, held) =
            if range.is_empty() { (range, Vec::new()) } else { serving.recent.split(range) };
        if older.is_empty() {
            return then.go(self, Ok(held), ctx);
        }
        if serving.reads.is_full() {
            let full = StoreError::Unavailable("too many reads wait".into());
            return then.go(self, Err(full), ctx);
        }
        let address = ctx.address();
        let waiter = Box::new(move |read: RangeRead| {
            let read = read.map(|mut entries| {
                entries.extend(held);
                entries
            });
            then.later(&address, read);
        });
        if serving.reads.wait(older, waiter) {
            let read = read::range(self.context.messages.clone(), self.id, older);
            ctx.spawn(read.into_actor(self).map(move |read, actor, _| {
                if let Ok(serving) = &mut actor.serving {
                    serving.reads.done(older, &read);
                }
            }));
        }
    }
}

/// What happens with a range once read.
pub(super) trait AfterRead: 'static {
    fn go(self, actor: &mut Conversation, read: RangeRead, ctx: &mut Context<Conversation>);
    /// The same, when the answer comes from the store.
    fn later(self, actor: &Addr<Conversation>, read: RangeRead);
}

/// A reader waits.
struct PageAnswer {
    reply: oneshot::Sender<Result<PageRead, Refusal>>,
    range: SequenceRange,
    head: Sequence,
    changes: Option<ChangesOf>,
    /// Deleted, though the store may not show it yet.
    deleted: BTreeSet<Sequence>,
    gone: Option<Gone>,
    /// Entries up to here were removed, as far as is known here.
    purged: Sequence,
}

impl PageAnswer {
    fn answer(self, read: RangeRead) {
        let Self { reply, range, head, changes, deleted, gone, purged } = self;
        let mut entries = match read {
            Ok(entries) => entries,
            Err(error) => return drop(reply.send(Err(load::unavailable(&error)))),
        };
        scrub_page(&mut entries, &deleted);
        if let Some(gone) = &gone {
            gone.scrub(&mut entries);
        }
        // The store may have removed more than was known here.
        let removed = match entries.first() {
            Some(first) if first.entry.seq > range.first => first.entry.seq.back(1),
            None if !range.is_empty() => range.last,
            _ => Sequence::START,
        };
        let purged_up_to = purged.max(removed);
        let Some(changes) = changes.filter(|_| !entries.is_empty()) else {
            let page = PageRead { entries, head, states: Vec::new(), purged_up_to };
            return drop(reply.send(Ok(page)));
        };
        changes.answer(move |states| {
            let states = states.map_err(|error| load::unavailable(&error));
            let _ = reply.send(states.map(|mut states| {
                if let Some(gone) = &gone {
                    gone.drop_states(&entries, &mut states);
                }
                PageRead { entries, head, states, purged_up_to }
            }));
        });
    }
}

impl AfterRead for PageAnswer {
    fn go(self, _: &mut Conversation, read: RangeRead, _: &mut Context<Conversation>) {
        self.answer(read);
    }

    fn later(self, _: &Addr<Conversation>, read: RangeRead) {
        self.answer(read);
    }
}

/// The conversation itself missed entries.
pub(super) struct Repair;

impl AfterRead for Repair {
    fn go(self, actor: &mut Conversation, read: RangeRead, ctx: &mut Context<Conversation>) {
        actor.on_repaired(read, ctx);
    }

    fn later(self, actor: &Addr<Conversation>, read: RangeRead) {
        // A mailbox too full for it drains; the tick tries again.
        let _ = actor.try_send(Repaired(read));
    }
}

/// A missing range was read, or was not.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub(super) struct Repaired(pub RangeRead);
