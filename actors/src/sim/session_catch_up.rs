//! How a simulated session hands a socket what it missed, page after page.

use schema::record::Entry;
use schema::{ConversationId, Sequence};

use super::actor::{Action, Context, Observation};
use super::message::{Frame, Message, ToConversation, ToSession};
use super::mutants::Mutant;
use super::session::Session;
use crate::session::cursor::{Accepted, Cursor};

/// Conversations of one socket that catch up at the same time.
const AT_ONCE: usize = 2;
const RETRY_MS: u64 = 500;

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
        let Some(subscription) = self.conversations.get_mut(&id) else { return };
        subscription.head = subscription.head.max(head);
        let Some(cursor) = subscription.cursor(socket) else {
            return self.caught_up(socket, id, ctx);
        };
        let Some(last) = entries.last() else {
            if cursor.sent > head {
                // The client forgets what it was told as well.
                *cursor = Cursor { catching_up: true, ..Cursor::at(cursor.connection, head) };
                ctx.observe(Observation::Resync);
                self.frame(socket, Frame::Resync { conversation: id, head }, ctx);
            }
            return self.on_empty_page(socket, id, ctx);
        };
        let accepted = if ctx.mutant == Mutant::PagesRepeatAccepted {
            Accepted::default()
        } else {
            cursor.accepted.clone()
        };
        cursor.move_to(last.seq);
        self.show(socket, &entries, &accepted, ctx);
        ctx.actions.push(Action::WhenDrained { socket, conversation: id });
    }

    /// The conversation may know less than this session: it lost its memory, or lives on
    /// announcements.
    fn on_empty_page(&mut self, socket: u64, id: ConversationId, ctx: &mut Context<'_>) {
        let Some(subscription) = self.conversations.get_mut(&id) else { return };
        let head = subscription.head;
        if subscription.cursor(socket).is_none_or(|cursor| cursor.sent >= head) {
            return self.caught_up(socket, id, ctx);
        }
        self.tell(id, ToConversation::Head(head), ctx);
        let again = ToSession::ReadPage { socket, conversation: id };
        ctx.later(RETRY_MS, Message::Session(again));
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
