//! Handing a socket what it missed: a page at a time, a few conversations at once, never more
//! than the peer reads.

use std::sync::Arc;
use std::time::Duration;

use actix::{ActorFutureExt as _, AsyncContext as _, Context, Handler, WrapFuture as _};
use schema::wire::{ErrorCode, Position, Refusal, Resync, ServerFrame};
use schema::{ConnectionId, ConversationId, Sequence, metric};
use tokio::sync::oneshot;

use super::actor::Session;
use super::messages::{Drained, ToSocket};
use super::subscription::{Part, Subscription};
use crate::conversation::Page;
use crate::conversation::{Heard, LogEntry, PageRead, Read};

/// Conversations of one socket that catch up at the same time.
const AT_ONCE: usize = 4;
/// Entries of a page.
const PAGE: u64 = 128;
/// A page is cut when it grows beyond this, bytes.
const PAGE_BYTES_MAX: usize = 128 * 1024;
/// A device further behind than this fetches what it wants to see itself.
const BEHIND_MAX: u64 = 5_000;
const RETRY: Duration = Duration::from_millis(500);
/// A page without the news that were heard of is asked for again after this time.
const NO_NEWS: Duration = Duration::from_millis(100);

impl Session {
    /// A socket lacks entries of a conversation: queue it for pages.
    pub(super) fn fall_behind(
        &mut self,
        connection: ConnectionId,
        conversation: ConversationId,
        ctx: &mut Context<Self>,
    ) {
        let Some(subscription) = self.conversations.get_mut(&conversation) else { return };
        let head = subscription.head;
        let resync = resync(conversation, subscription);
        let Some(cursor) = subscription.cursor(connection) else { return };
        if cursor.catching_up {
            return;
        }
        if cursor.sent.distance_to(head) > BEHIND_MAX {
            cursor.restart_at(head);
            return self.frame(connection, resync("too_far_behind"));
        }
        cursor.catching_up = true;
        if let Some(link) = self.link(connection) {
            link.behind.push_back(conversation);
        }
        self.catch_up(connection, ctx);
    }

    /// What a device has of these conversations is of the log before a restore: it is told to
    /// forget it, also where its numbers are there again.
    pub(super) fn resync_restored(&mut self, connection: ConnectionId, positions: &[Position]) {
        for position in positions {
            let id = position.conversation_id;
            let Some(subscription) = self.conversations.get_mut(&id) else { continue };
            if !position.is_of_another(subscription.generation) {
                continue;
            }
            let head = subscription.head;
            let resync = resync(id, subscription);
            if let Some(cursor) = subscription.cursor(connection) {
                cursor.restart_at(head);
                self.frame(connection, resync("restored"));
            }
        }
    }

    pub(super) fn on_head(
        &mut self,
        conversation: ConversationId,
        head: Sequence,
        ctx: &mut Context<Self>,
    ) {
        let Some(subscription) = self.conversations.get_mut(&conversation) else { return };
        subscription.head = subscription.head.max(head);
        let behind: Vec<ConnectionId> = subscription
            .cursors
            .iter()
            .filter(|cursor| cursor.sent < head)
            .map(|cursor| cursor.connection)
            .collect();
        for connection in behind {
            self.fall_behind(connection, conversation, ctx);
        }
    }

    fn catch_up(&mut self, connection: ConnectionId, ctx: &mut Context<Self>) {
        while let Some(link) = self.link(connection) {
            if link.catching_up >= AT_ONCE {
                return;
            }
            let Some(conversation) = link.behind.pop_front() else { return };
            link.catching_up += 1;
            self.read_page(connection, conversation, ctx);
        }
    }

    fn read_page(
        &mut self,
        connection: ConnectionId,
        conversation: ConversationId,
        ctx: &mut Context<Self>,
    ) {
        let position = self
            .conversations
            .get_mut(&conversation)
            .and_then(|subscription| subscription.cursor(connection))
            .map(|cursor| cursor.sent);
        let Some(position) = position else { return self.caught_up(connection, conversation, ctx) };
        let (reply, page) = oneshot::channel();
        let read = Read {
            reader: self.user,
            page: Page::After(position),
            limit: PAGE,
            // Every later entry follows.
            with_states: false,
            reply,
        };
        if let Some(address) = self.conversation(conversation) {
            let _ = address.try_send(read);
        }
        ctx.spawn(page.into_actor(self).map(move |page, session, ctx| {
            let page = page.unwrap_or_else(|_| Err(Refusal::retry_later("no answer")));
            session.on_page(connection, conversation, page, ctx);
        }));
    }

    fn on_page(
        &mut self,
        connection: ConnectionId,
        conversation: ConversationId,
        page: Result<PageRead, Refusal>,
        ctx: &mut Context<Self>,
    ) {
        let page = match page {
            Ok(page) => page,
            Err(refusal) if refusal.code == ErrorCode::NotFound => {
                self.conversations.remove(&conversation);
                return self.caught_up(connection, conversation, ctx);
            }
            Err(_) => {
                ctx.run_later(RETRY, move |session, ctx| {
                    session.read_page(connection, conversation, ctx);
                });
                return;
            }
        };
        let Some(subscription) = self.conversations.get_mut(&conversation) else {
            return self.caught_up(connection, conversation, ctx);
        };
        subscription.head = subscription.head.max(page.head);
        let head = subscription.head;
        let resync = resync(conversation, subscription);
        let Some(cursor) = subscription.cursor(connection) else {
            return self.caught_up(connection, conversation, ctx);
        };
        let mut entries = cut(page.entries);
        let Some(last) = entries.last().map(|log| log.entry.seq) else {
            // The device claims more than there is: its positions are of another log.
            if cursor.sent > page.head {
                cursor.restart_at(page.head);
                self.frame(connection, resync("position_beyond_head"));
            } else if cursor.sent < head {
                // The conversation is behind what was heard of it: it is told, and asked again.
                return self.ask_again(connection, conversation, head, ctx);
            }
            return self.caught_up(connection, conversation, ctx);
        };
        if page.purged_up_to > cursor.sent {
            // What it lacks is no more: it fetches what it wants to show.
            cursor.restart_at(page.head);
            self.frame(connection, resync("purged"));
            return self.caught_up(connection, conversation, ctx);
        }
        // What the socket was told by `accepted` is not shown again.
        entries.retain(|log| !cursor.accepted.contains(log.entry.seq));
        cursor.move_to(last);
        // What came while the user was there and was not handed on as it came.
        let began_ms = self.began_ms;
        let is_member = self.is_member(conversation);
        let since = entries.iter().map(|log| &log.entry).filter(|it| it.sent_at >= began_ms);
        if is_member {
            self.note_here(conversation, since);
        }
        self.mine.conceal(conversation, &mut entries);
        metrics::counter!(metric::CATCH_UP_PAGES).increment(1);
        self.hand(connection, ToSocket::Page { conversation, entries });
    }

    fn is_member(&self, id: ConversationId) -> bool {
        self.conversations.get(&id).is_some_and(|it| it.part == Part::Member)
    }

    fn ask_again(
        &mut self,
        connection: ConnectionId,
        conversation: ConversationId,
        head: Sequence,
        ctx: &mut Context<Self>,
    ) {
        if let Some(address) = self.conversation(conversation) {
            let _ = address.try_send(Heard { head });
        }
        ctx.run_later(NO_NEWS, move |session, ctx| {
            session.read_page(connection, conversation, ctx);
        });
    }

    /// Nothing more to read: live deliveries go on from here.
    fn caught_up(
        &mut self,
        connection: ConnectionId,
        conversation: ConversationId,
        ctx: &mut Context<Self>,
    ) {
        if let Some(link) = self.link(connection) {
            link.catching_up = link.catching_up.saturating_sub(1);
        }
        let mut still_behind = false;
        if let Some(subscription) = self.conversations.get_mut(&conversation) {
            let head = subscription.head;
            if let Some(cursor) = subscription.cursor(connection) {
                cursor.catching_up = false;
                still_behind = cursor.sent < head;
            }
        }
        if still_behind {
            self.fall_behind(connection, conversation, ctx);
        }
        self.catch_up(connection, ctx);
    }
}

impl Handler<Drained> for Session {
    type Result = ();

    fn handle(&mut self, message: Drained, ctx: &mut Self::Context) {
        let Drained { connection, conversation } = message;
        if self.link(connection).is_none() {
            return;
        }
        let has_more = self.conversations.get_mut(&conversation).is_some_and(|subscription| {
            let head = subscription.head;
            subscription.cursor(connection).is_some_and(|cursor| cursor.sent < head)
        });
        if has_more {
            self.read_page(connection, conversation, ctx);
        } else {
            self.caught_up(connection, conversation, ctx);
        }
    }
}

/// Tells a client to forget its position; the reason comes last.
fn resync(
    conversation_id: ConversationId,
    subscription: &Subscription,
) -> impl FnOnce(&str) -> ServerFrame + use<> {
    let (generation, head) = (subscription.generation, subscription.head);
    move |reason| {
        ServerFrame::Resync(Resync { conversation_id, generation, head, reason: reason.into() })
    }
}

/// The front of a page, as far as its bytes go; one entry at least.
fn cut(mut entries: Vec<Arc<LogEntry>>) -> Vec<Arc<LogEntry>> {
    let mut bytes = 0;
    let fits = entries
        .iter()
        .take_while(|log| {
            let fits = bytes == 0 || bytes < PAGE_BYTES_MAX;
            bytes += 128 + log.entry.event.size();
            fits
        })
        .count();
    entries.truncate(fits);
    entries
}
