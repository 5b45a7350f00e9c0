//! Finding the entry that was sent at a time, or first after it: by halving, as times nearly grow
//! with numbers.

use std::sync::Arc;

use actix::{ActorFutureExt as _, AsyncContext as _, Context, WrapFuture as _};
use schema::{ConversationId, Sequence, SequenceRange};

use super::actor::Conversation;
use super::load;
use super::messages::Read;
use super::page::Page;
use super::read;
use super::roster::Visible;
use crate::ports::{MessageStore, StoreError};

impl Conversation {
    /// Answers with the page round the first entry that was sent at `at` or later: half of it
    /// stands before.
    pub(super) fn jump(&mut self, read: Read, at: i64, ctx: &mut Context<Self>) {
        let visible = match self.readable(read.reader, Page::Newest, 1) {
            Ok(_) => self
                .serving
                .as_ref()
                .ok()
                .and_then(|serving| serving.roster.visible(read.reader, serving.head)),
            Err(refusal) => return drop(read.reply.send(Err(refusal))),
        };
        let (Some(Visible { after, up_to }), Ok(serving)) = (visible, &self.serving) else {
            return;
        };
        let held = SequenceRange::new(after.next(), up_to);
        let (older, held) = serving.recent.split(held);
        let found = held.iter().map(|log| &log.entry).find(|entry| entry.sent_at >= at);
        let found = found.map_or_else(|| up_to.next(), |entry| entry.seq);
        let is_first_held = held.first().is_none_or(|log| log.entry.seq == found);
        if older.is_empty() || !is_first_held {
            return self.read(around(read, found), ctx);
        }
        let search = first_at(self.context.messages.clone(), self.id, older, at);
        ctx.spawn(search.into_actor(self).map(move |sought, actor, ctx| match sought {
            Ok(Some(sought)) => actor.read(around(read, sought), ctx),
            Ok(None) => actor.read(around(read, found), ctx),
            Err(error) => drop(read.reply.send(Err(load::unavailable(&error)))),
        }));
    }
}

/// Asks for the page that has the entry in its middle.
fn around(read: Read, found: Sequence) -> Read {
    let before = (read.limit / 2).min(super::page::HISTORY_PAGE_MAX / 2);
    Read { page: Page::After(found.back(before + 1)), ..read }
}

/// The first entry of a stored range that was sent at `at` or later. Reads as many entries as the
/// range's length has binary digits.
async fn first_at(
    messages: Arc<dyn MessageStore>,
    conversation: ConversationId,
    range: SequenceRange,
    at: i64,
) -> Result<Option<Sequence>, StoreError> {
    let (mut low, mut high) = (range.first, range.last.next());
    while low < high {
        let middle = Sequence(low.0 + (high.0 - low.0) / 2);
        let one = SequenceRange::new(middle, middle);
        let entries = read::range(messages.clone(), conversation, one).await?;
        // What was removed was sent earlier.
        match entries.first() {
            Some(log) if log.entry.sent_at >= at => high = middle,
            _ => low = middle.next(),
        }
    }
    Ok(Some(low).filter(|found| range.contains(*found)))
}
