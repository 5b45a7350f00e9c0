//! How a simulated session takes up a socket: loads what the user's conversations are, greets,
//! hands over what the device missed.

use std::collections::VecDeque;

use schema::{ConversationId, Sequence};

use super::actor::{Action, Child, Context, Observation};
use super::faults::FaultClass;
use super::message::{Frame, Message, ToConversation};
use super::session::{Link, Session, connection};
use super::store_model::{Call, Ticket};
use crate::ports::StoreError;
use crate::session::cursor::Cursor;

/// A socket whose user's conversations are being loaded.
pub(super) struct Attaching {
    client: usize,
    positions: Vec<(ConversationId, Sequence)>,
}

impl Session {
    pub(super) fn attach(
        &mut self,
        socket: u64,
        client: usize,
        positions: Vec<(ConversationId, Sequence)>,
        ctx: &mut Context<'_>,
    ) {
        let ids = positions.iter().map(|(id, _)| *id).collect();
        self.attaching.insert(socket, Attaching { client, positions });
        ctx.call(Ticket::Overview(socket), Call::Overview(ids));
    }

    pub(super) fn on_loaded(
        &mut self,
        socket: u64,
        heads: Result<Vec<(ConversationId, Sequence)>, StoreError>,
        ctx: &mut Context<'_>,
    ) {
        let Some(Attaching { client, positions }) = self.attaching.remove(&socket) else { return };
        let Ok(heads) = heads else {
            ctx.actions.push(Action::CloseSocket(socket));
            return self.end_if_alone(ctx);
        };
        let replaced = self.links.iter().find(|link| link.client == client);
        if let Some(replaced) = replaced.map(|link| link.socket) {
            ctx.actions.push(Action::CloseSocket(replaced));
            self.detach(replaced);
        }
        if !self.conversations.is_empty() {
            ctx.observe(Observation::Struck(FaultClass::Reattach));
        }
        self.links.push(Link { socket, client, behind: VecDeque::new(), catching_up: 0 });
        let mut told = Vec::new();
        for ((id, position), (_, head)) in positions.into_iter().zip(heads) {
            if position > head {
                ctx.observe(Observation::Struck(FaultClass::AheadOfStore));
            }
            told.push((id, self.follow_from(socket, id, position, head, ctx)));
        }
        self.frame(socket, Frame::Welcome { heads: told.clone() }, ctx);
        for (id, head) in told {
            let cursor = self.conversations.get_mut(&id).and_then(|it| it.cursor(socket));
            if cursor.is_some_and(|cursor| cursor.sent != head) {
                self.fall_behind(socket, id, ctx);
            }
        }
        self.end_if_alone(ctx);
    }

    /// Follows a conversation from the device's position in it; its head as far as is known.
    fn follow_from(
        &mut self,
        socket: u64,
        id: ConversationId,
        position: Sequence,
        head: Sequence,
        ctx: &mut Context<'_>,
    ) -> Sequence {
        let subscription = self.conversations.entry(id).or_insert_with(|| {
            ctx.follow(id, head);
            super::session::Subscription::default()
        });
        subscription.head = subscription.head.max(head);
        subscription.cursors.push(Cursor::at(connection(socket), position));
        let head = subscription.head;
        // A conversation that runs here may be ahead of the store; one that starts later finds this
        // session by itself.
        if let Some(conversation) = ctx.registry.get(Child::Conversation(id)) {
            let join = ToConversation::Join { user: self.user, session: ctx.me };
            ctx.tell(conversation, Message::Conversation(join));
        }
        head
    }
}
