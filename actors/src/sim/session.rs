//! A simulated session: routes sends to conversations and entries to sockets, as the real actor
//! does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use schema::record::{Draft, Entry};
use schema::wire::Refusal;
use schema::{ConnectionId, ConversationId, Sequence, UserId};

use super::actor::{Action, Child, Context, Observation};
use super::message::{Answered, Frame, Message, Reply, ToConversation, ToSession};
use super::mutants::Mutant;
use crate::session::cursor::{Accepted, Cursor, Step};

/// A send unanswered for longer is answered `retry_later`.
const SEND_DEADLINE_MS: u64 = 12_000;
/// Conversations of one socket that catch up at the same time.
const AT_ONCE: usize = 2;
const RETRY_MS: u64 = 500;

struct Link {
    socket: u64,
    /// Conversations that wait for their turn to catch up.
    behind: VecDeque<ConversationId>,
    catching_up: usize,
}

#[derive(Default)]
struct Subscription {
    head: Sequence,
    cursors: Vec<Cursor>,
}

impl Subscription {
    fn cursor(&mut self, socket: u64) -> Option<&mut Cursor> {
        self.cursors.iter_mut().find(|cursor| cursor.connection == connection(socket))
    }
}

const fn connection(socket: u64) -> ConnectionId {
    ConnectionId(uuid::Uuid::from_u128(socket as u128))
}

const fn socket_of(cursor: &Cursor) -> u64 {
    cursor.connection.0.as_u128() as u64
}

pub struct Session {
    user: UserId,
    links: Vec<Link>,
    conversations: BTreeMap<ConversationId, Subscription>,
    unanswered: BTreeMap<(u64, u64), u64>,
    is_deadline_armed: bool,
}

impl Session {
    #[must_use]
    pub const fn new(user: UserId) -> Self {
        Self {
            user,
            links: Vec::new(),
            conversations: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            is_deadline_armed: false,
        }
    }

    /// Sockets that lose their session are closed.
    pub fn stopped(&self, ctx: &mut Context<'_>) {
        for link in &self.links {
            ctx.actions.push(Action::CloseSocket(link.socket));
        }
    }

    pub fn handle(&mut self, message: Message, ctx: &mut Context<'_>) {
        let message = match message {
            Message::Session(message) => message,
            _ => return,
        };
        match message {
            ToSession::Attach { socket, positions } => self.attach(socket, &positions, ctx),
            ToSession::Detach { socket } => self.detach(socket, ctx),
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

    fn link(&mut self, socket: u64) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.socket == socket)
    }

    fn frame(&self, socket: u64, frame: Frame, ctx: &mut Context<'_>) {
        if self.links.iter().any(|link| link.socket == socket) {
            ctx.actions.push(Action::ToSocket { socket, frame });
        }
    }

    fn tell(&self, id: ConversationId, message: ToConversation, ctx: &mut Context<'_>) {
        let conversation = ctx.registry.get_or_start(Child::Conversation(id));
        ctx.tell(conversation, Message::Conversation(message));
    }

    fn attach(
        &mut self,
        socket: u64,
        positions: &[(ConversationId, Sequence)],
        ctx: &mut Context<'_>,
    ) {
        self.links.push(Link { socket, behind: VecDeque::new(), catching_up: 0 });
        let mut heads = Vec::new();
        for &(id, sent) in positions {
            let subscription = self.conversations.entry(id).or_default();
            let cursor = Cursor::at(connection(socket), sent);
            subscription.cursors.push(cursor);
            heads.push((id, subscription.head));
        }
        self.frame(socket, Frame::Welcome { heads }, ctx);
        for &(id, sent) in positions {
            let join = ToConversation::Join { user: self.user, session: ctx.me };
            self.tell(id, join, ctx);
            if self.conversations.get(&id).is_some_and(|it| it.head != sent) {
                self.fall_behind(socket, id, ctx);
            }
        }
    }

    fn detach(&mut self, socket: u64, ctx: &mut Context<'_>) {
        self.links.retain(|link| link.socket != socket);
        for subscription in self.conversations.values_mut() {
            subscription.cursors.retain(|cursor| socket_of(cursor) != socket);
        }
        self.unanswered.retain(|(from, _), _| *from != socket);
        if self.links.is_empty() {
            for &id in self.conversations.keys() {
                if let Some(conversation) = ctx.registry.get(Child::Conversation(id)) {
                    let leave = ToConversation::Leave { user: self.user, session: ctx.me };
                    ctx.tell(conversation, Message::Conversation(leave));
                }
            }
            ctx.stop();
        }
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
                    // What a socket was shown or told already, it is not told as something new.
                    let seq = submitted.seq;
                    submitted.duplicate |= seq <= cursor.sent || cursor.accepted.contains(seq);
                    cursor.accepted.note(seq, cursor.sent);
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
        let Some(subscription) = self.conversations.get_mut(&id) else { return };
        subscription.head = subscription.head.max(last);
        let (mut forward, mut behind) = (Vec::new(), Vec::new());
        for cursor in &mut subscription.cursors {
            let accepted = cursor.accepted.clone();
            match cursor.on_delivery(first, last) {
                Step::Forward { skip } => forward.push((socket_of(cursor), skip, accepted)),
                Step::Behind if ctx.mutant == Mutant::DeliverOverGaps => {
                    cursor.move_to(last);
                    forward.push((socket_of(cursor), 0, accepted));
                }
                Step::Behind => behind.push(socket_of(cursor)),
                Step::Drop | Step::Hold => {}
            }
        }
        for (socket, skip, accepted) in forward {
            self.show(socket, &entries[skip..], &accepted, ctx);
        }
        for socket in behind {
            self.fall_behind(socket, id, ctx);
        }
    }

    /// Shows entries to a socket, less those of which `accepted` told it.
    fn show(&self, socket: u64, entries: &[Entry], accepted: &Accepted, ctx: &mut Context<'_>) {
        for entry in entries.iter().filter(|entry| !accepted.contains(entry.seq)) {
            self.frame(socket, Frame::Entry(entry.clone()), ctx);
        }
    }

    fn on_head(&mut self, id: ConversationId, head: Sequence, ctx: &mut Context<'_>) {
        let Some(subscription) = self.conversations.get_mut(&id) else { return };
        subscription.head = subscription.head.max(head);
        let is_behind = |cursor: &&Cursor| cursor.sent < head && !cursor.catching_up;
        let behind: Vec<u64> =
            subscription.cursors.iter().filter(is_behind).map(socket_of).collect();
        for socket in behind {
            self.fall_behind(socket, id, ctx);
        }
    }

    /// A socket lacks entries of a conversation: queue it for pages.
    fn fall_behind(&mut self, socket: u64, id: ConversationId, ctx: &mut Context<'_>) {
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

    fn read_page(&mut self, socket: u64, id: ConversationId, ctx: &mut Context<'_>) {
        let cursor = self.conversations.get_mut(&id).and_then(|it| it.cursor(socket));
        let Some(after) = cursor.map(|cursor| cursor.sent) else {
            return self.caught_up(socket, id, ctx);
        };
        let read = ToConversation::Read { session: ctx.me, socket, after };
        self.tell(id, read, ctx);
    }

    fn on_page(
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

    fn on_drained(&mut self, socket: u64, id: ConversationId, ctx: &mut Context<'_>) {
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
