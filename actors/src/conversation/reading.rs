//! Pages and missing ranges: what memory holds at once, the rest from the store.

use std::sync::Arc;

use actix::{ActorFutureExt as _, Addr, AsyncContext as _, Context, WrapFuture as _};
use schema::record::Entry;
use schema::wire::Refusal;
use schema::{Sequence, SequenceRange, UserId};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::actor::Conversation;
use super::load;
use super::messages::{LogEntry, PageRead, Read};
use super::page::{HISTORY_PAGE_MAX, Page};
use super::read::{self, RangeRead};
use super::roster::Visible;
use crate::ports::StoreError;

impl Conversation {
    pub(super) fn read(&mut self, read: Read, ctx: &mut Context<Self>) {
        self.active_at = Instant::now();
        let range = match self.readable(read.reader, read.page, read.limit) {
            Ok(range) => range,
            Err(refusal) => return drop(read.reply.send(Err(refusal))),
        };
        let (range, head) = range;
        self.read_range(range, ctx, PageAnswer { reply: read.reply, head });
    }

    /// The numbers that a page holds, and the last one that the reader may see.
    fn readable(
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
            Page::Newest => SequenceRange::below(up_to.next(), limit, after.next()),
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
    head: Sequence,
}

impl PageAnswer {
    fn answer(self, read: RangeRead) {
        let page = match read {
            Ok(entries) => Ok(PageRead { entries, head: self.head }),
            Err(error) => Err(load::unavailable(&error)),
        };
        let _ = self.reply.send(page);
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
        if let Ok(entries) = read {
            let entries: Arc<[Entry]> = entries.iter().map(|log| log.entry.clone()).collect();
            actor.arrive(&entries, &[], ctx);
        }
    }

    fn later(self, actor: &Addr<Conversation>, read: RangeRead) {
        if let Ok(entries) = read {
            let _ = actor.try_send(Repaired(entries));
        }
    }
}

/// A missing range was read.
#[derive(actix::Message)]
#[rtype(result = "()")]
pub(super) struct Repaired(pub Vec<Arc<LogEntry>>);
