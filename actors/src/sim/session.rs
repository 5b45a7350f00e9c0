//! A simulated session: routes sends to conversations and entries to sockets, as the real actor
//! does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use schema::record::{Draft, Entry};
use schema::wire::Refusal;
use schema::{ConnectionId, ConversationId, Sequence, UserId};

use super::actor::{Action, Child, Context};
use super::message::{Answered, Frame, Message, Reply, ToConversation, ToSession};
use super::mutants::Mutant;
use super::session_attach::Attaching;
use super::store_model::{Answer, Ticket};
use crate::ports::Owner;
use crate::session::cursor::{Cursor, Step};

/// A send unanswered for longer is answered `retry_later`.
const SEND_DEADLINE_MS: u64 = 12_000;

pub(super) struct Link {
    pub(super) socket: u64,
    pub(super) client: usize,
    /// Conversations that wait for their turn to catch up.
    pub(super) behind: VecDeque<ConversationId>,
    pub(super) catching_up: usize,
}

#[derive(Default)]
pub(super) struct Subscription {
    pub(super) head: Sequence,
    pub(super) cursors: Vec<Cursor>,
}

impl Subscription {
    pub(super) fn cursor(&mut self, socket: u64) -> Option<&mut Cursor> {
        self.cursors.iter_mut().find(|cursor| cursor.connection == connection(socket))
    }
}

pub(super) const fn connection(socket: u64) -> ConnectionId {
    ConnectionId(uuid::Uuid::from_u128(socket as u128))
}

pub(super) const fn socket_of(cursor: &Cursor) -> u64 {
    cursor.connection.0.as_u128() as u64
}

pub struct Session {
    pub(super) user: UserId,
    pub(super) links: Vec<Link>,
    pub(super) attaching: BTreeMap<u64, Attaching>,
    pub(super) conversations: BTreeMap<ConversationId, Subscription>,
    unanswered: BTreeMap<(u64, u64), u64>,
    is_deadline_armed: bool,
}

impl Session {
    #[must_use]
    pub const fn new(user: UserId) -> Self {
        Self {
            user,
            links: Vec::new(),
            attaching: BTreeMap::new(),
            conversations: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            is_deadline_armed: false,
        }
    }

    /// Sockets that lose their session are closed.
    pub fn stopped(&self, ctx: &mut Context<'_>) {
        let sockets = self.links.iter().map(|link| link.socket);
        for socket in sockets.chain(self.attaching.keys().copied()) {
            ctx.actions.push(Action::CloseSocket(socket));
        }
        self.conversations.keys().for_each(|id| ctx.unfollow(*id));
    }

    pub fn handle(&mut self, message: Message, ctx: &mut Context<'_>) {
        let message = match message {
            Message::Session(message) => message,
            Message::Answer(Ticket::Overview(socket), Answer::Overview(heads)) => {
                return self.on_loaded(socket, heads, ctx);
            }
            _ => return,
        };
        match message {
            ToSession::Attach { socket, client, positions } => {
                self.attach(socket, client, positions, ctx);
            }
            ToSession::Detach { socket } => {
                self.attaching.remove(&socket);
                self.detach(socket);
                self.end_if_alone(ctx);
            }
            ToSession::Send { socket, reference, draft } => {
                self.send(socket, reference, draft, ctx);
            }
            ToSession::Deliver { conversation, entries } => {
                self.deliver(conversation, &entries, ctx);
            }
            ToSession::Joined { conversation, head } => self.on_head(conversation, head, ctx),
            ToSession::Answered(answered) => self.on_answered(answered, ctx),
            ToSession::Page { socket, conversation, page } => {
                self.on_page(socket, conversation, page, ctx);
            }
            ToSession::Drained { socket, conversation } => {
                self.on_drained(socket, conversation, ctx);
            }
            ToSession::ReadPage { socket, conversation } => {
                self.read_page(socket, conversation, ctx);
            }
            ToSession::Deadlines => self.check_deadlines(ctx),
        }
    }

    pub(super) fn link(&mut self, socket: u64) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.socket == socket)
    }

    pub(super) fn frame(&self, socket: u64, frame: Frame, ctx: &mut Context<'_>) {
        if self.links.iter().any(|link| link.socket == socket) {
            ctx.actions.push(Action::ToSocket { socket, frame });
        }
    }

    pub(super) fn tell(&self, id: ConversationId, message: ToConversation, ctx: &mut Context<'_>) {
        let conversation = ctx.registry.get_or_start(Child::Conversation(id));
        ctx.tell(conversation, Message::Conversation(message));
    }

    pub(super) fn detach(&mut self, socket: u64) {
        self.links.retain(|link| link.socket != socket);
        for subscription in self.conversations.values_mut() {
            subscription.cursors.retain(|cursor| socket_of(cursor) != socket);
        }
        self.unanswered.retain(|(from, _), _| *from != socket);
    }

    /// With no socket left the session ends.
    pub(super) fn end_if_alone(&self, ctx: &mut Context<'_>) {
        if !self.links.is_empty() || !self.attaching.is_empty() {
            return;
        }
        for &id in self.conversations.keys() {
            if let Some(conversation) = ctx.registry.get(Child::Conversation(id)) {
                let leave = ToConversation::Leave { user: self.user, session: ctx.me };
                ctx.tell(conversation, Message::Conversation(leave));
            }
        }
        ctx.stop();
    }

    fn send(&mut self, socket: u64, reference: u64, draft: Draft, ctx: &mut Context<'_>) {
        if self.link(socket).is_none() {
            return;
        }
        self.unanswered.insert((socket, reference), ctx.now_ms + SEND_DEADLINE_MS);
        let reply = Reply::Session { session: ctx.me, socket, reference };
        self.tell(draft.conversation_id, ToConversation::Submit { draft, reply }, ctx);
        self.arm_deadline(ctx);
    }

    fn arm_deadline(&mut self, ctx: &mut Context<'_>) {
        if !self.is_deadline_armed && !self.unanswered.is_empty() {
            self.is_deadline_armed = true;
            ctx.later(1_000, Message::Session(ToSession::Deadlines));
        }
    }

    fn check_deadlines(&mut self, ctx: &mut Context<'_>) {
        self.is_deadline_armed = false;
        let now_ms = ctx.now_ms;
        let late = self.unanswered.extract_if(.., |_, deadline_ms| *deadline_ms <= now_ms);
        let late: Vec<(u64, u64)> = late.map(|(key, _)| key).collect();
        for (socket, reference) in late {
            let refusal = Refusal::retry_later("not stored in time");
            self.frame(socket, Frame::Error { reference, refusal }, ctx);
        }
        self.arm_deadline(ctx);
    }

    fn on_answered(&mut self, mut answered: Answered, ctx: &mut Context<'_>) {
        let Answered { socket, reference, conversation, .. } = answered;
        if self.unanswered.remove(&(socket, reference)).is_none() {
            return;
        }
        match &mut answered.result {
            Ok(submitted) => {
                let subscription = self.conversations.get_mut(&conversation);
                if let Some(cursor) = subscription.and_then(|it| it.cursor(socket)) {
                    // The entry overtook its answer, or was answered before: the socket has it.
                    submitted.duplicate |= cursor.has(submitted.seq);
                    cursor.accepted.note(submitted.seq, cursor.sent);
                }
                self.frame(socket, Frame::Accepted(answered), ctx);
            }
            Err(refusal) => {
                let refusal = refusal.clone();
                self.frame(socket, Frame::Error { reference, refusal }, ctx);
            }
        }
    }

    fn deliver(&mut self, id: ConversationId, entries: &Arc<[Entry]>, ctx: &mut Context<'_>) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
        let (first, last) = (first.seq, last.seq);
        let takes_all = match ctx.mutant {
            Mutant::DeliverOverGaps => true,
            Mutant::FollowersDeliverOverGaps => ctx.owner(ctx.shard_of(id)) != Owner::Here,
            _ => false,
        };
        let Some(subscription) = self.conversations.get_mut(&id) else { return };
        subscription.head = subscription.head.max(last);
        let (mut forward, mut behind) = (Vec::new(), Vec::new());
        for cursor in &mut subscription.cursors {
            let socket = socket_of(cursor);
            // Only what the socket was told: an answer may have come too late to be passed on.
            let known = cursor.accepted_of(first, last);
            match cursor.on_delivery(first, last) {
                Step::Forward { skip } => forward.push((socket, skip, known)),
                Step::Behind if takes_all => {
                    cursor.move_to(last);
                    forward.push((socket, 0, known));
                }
                Step::Behind => behind.push(socket),
                Step::Drop | Step::Hold => {}
            }
        }
        for (socket, skip, known) in forward {
            self.show(socket, &entries[skip..], &known, ctx);
        }
        for socket in behind {
            self.fall_behind(socket, id, ctx);
        }
    }

    /// Shows entries to a socket, less those that it was told of by `accepted`.
    pub(super) fn show(
        &self,
        socket: u64,
        entries: &[Entry],
        known: &[Sequence],
        ctx: &mut Context<'_>,
    ) {
        for entry in entries.iter().filter(|entry| !known.contains(&entry.seq)) {
            self.frame(socket, Frame::Entry(entry.clone()), ctx);
        }
    }

    fn on_head(&mut self, id: ConversationId, head: Sequence, ctx: &mut Context<'_>) {
        let Some(subscription) = self.conversations.get_mut(&id) else { return };
        subscription.head = subscription.head.max(head);
        let head = subscription.head;
        let is_behind = |cursor: &&Cursor| cursor.sent < head && !cursor.catching_up;
        let behind: Vec<u64> =
            subscription.cursors.iter().filter(is_behind).map(socket_of).collect();
        for socket in behind {
            self.fall_behind(socket, id, ctx);
        }
    }
}
