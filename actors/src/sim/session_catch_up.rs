//! How a simulated session hands a socket what it missed, page after page.

use schema::record::Entry;
use schema::{ConversationId, Sequence};

use super::actor::{Action, Context, Observation};
use super::message::{Frame, Message, ToConversation, ToSession};
use super::mutants::Mutant;
use super::session::Session;

/// Conversations of one socket that catch up at the same time.
const AT_ONCE: usize = 2;
const RETRY_MS: u64 = 500;
/// A page without the news that were heard of is asked for again after this time.
const NO_NEWS_MS: u64 = 100;

impl Session {
    /// A socket lacks entries of a conversation: queue it for pages.
    pub(super) fn fall_behind(&mut self, socket: u64, id: ConversationId, ctx: &mut Context<'_>) {
        let Some(subscription) = self.conversations.get_mut(&id) else { return };
        let Some(cursor) = subscription.cursor(socket) else { return };
        if cursor.catching_up {
            return;
        }
        cursor.catching_up = true;
        if let Some(link) = self.link(socket) {
            link.behind.push_back(id);
        }
        self.catch_up(socket, ctx);
    }

    fn catch_up(&mut self, socket: u64, ctx: &mut Context<'_>) {
        while let Some(link) = self.link(socket) {
            if link.catching_up >= AT_ONCE {
                return;
            }
            let Some(id) = link.behind.pop_front() else { return };
            link.catching_up += 1;
            self.read_page(socket, id, ctx);
        }
    }

    pub(super) fn read_page(&mut self, socket: u64, id: ConversationId, ctx: &mut Context<'_>) {
        let cursor = self.conversations.get_mut(&id).and_then(|it| it.cursor(socket));
        let Some(after) = cursor.map(|cursor| cursor.sent) else {
            return self.caught_up(socket, id, ctx);
        };
        let read = ToConversation::Read { session: ctx.me, socket, after };
        self.tell(id, read, ctx);
    }

    pub(super) fn on_page(
        &mut self,
        socket: u64,
        id: ConversationId,
        page: Option<(Vec<Entry>, Sequence)>,
        ctx: &mut Context<'_>,
    ) {
        let Some((entries, head)) = page else {
            let again = ToSession::ReadPage { socket, conversation: id };
            return ctx.later(RETRY_MS, Message::Session(again));
        };
        let Some(subscription) = self.conversations.get_mut(&id) else {
            return self.caught_up(socket, id, ctx);
        };
        subscription.head = subscription.head.max(head);
        let heard = subscription.head;
        let Some(cursor) = subscription.cursor(socket) else {
            return self.caught_up(socket, id, ctx);
        };
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            if cursor.sent > head {
                let claimed = cursor.sent;
                cursor.restart_at(head);
                ctx.observe(Observation::Resync { conversation: id, claimed });
                self.frame(socket, Frame::Resync { conversation: id, head }, ctx);
            } else if cursor.sent < heard {
                // The conversation is behind what was heard of it: it is told, and asked again.
                self.tell(id, ToConversation::Heard(heard), ctx);
                let again = ToSession::ReadPage { socket, conversation: id };
                return ctx.later(NO_NEWS_MS, Message::Session(again));
            }
            return self.caught_up(socket, id, ctx);
        };
        let known = if ctx.mutant == Mutant::PagesRepeatAccepted {
            Vec::new()
        } else {
            cursor.accepted_of(first.seq, last.seq)
        };
        cursor.move_to(last.seq);
        self.show(socket, &entries, &known, ctx);
        ctx.actions.push(Action::WhenDrained { socket, conversation: id });
    }

    pub(super) fn on_drained(&mut self, socket: u64, id: ConversationId, ctx: &mut Context<'_>) {
        if self.link(socket).is_none() {
            return;
        }
        let has_more = self.conversations.get_mut(&id).is_some_and(|subscription| {
            let head = subscription.head;
            subscription.cursor(socket).is_some_and(|cursor| cursor.sent < head)
        });
        if has_more {
            self.read_page(socket, id, ctx);
        } else {
            self.caught_up(socket, id, ctx);
        }
    }

    fn caught_up(&mut self, socket: u64, id: ConversationId, ctx: &mut Context<'_>) {
        if let Some(link) = self.link(socket) {
            link.catching_up = link.catching_up.saturating_sub(1);
        }
        let mut is_still_behind = false;
        if let Some(subscription) = self.conversations.get_mut(&id) {
            let head = subscription.head;
            if let Some(cursor) = subscription.cursor(socket) {
                cursor.catching_up = false;
                is_still_behind = cursor.sent < head;
            }
        }
        if is_still_behind {
            self.fall_behind(socket, id, ctx);
        }
        self.catch_up(socket, ctx);
    }
}
