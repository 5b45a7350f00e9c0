//! One user on this node: routes frames to conversations and deliveries to sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, Addr, AsyncContext as _, Context, Handler,
    WrapFuture as _,
};
use rand::RngExt as _;
use schema::record::PositionAdvance;
use schema::wire::server_frame::Draining;
use schema::wire::{CloseCode, Limits, Resync, ServerFrame};
use schema::{ConnectionId, ConversationId, NodeId, UserId};
use tokio::time::Instant;

use super::cursor::Step;
use super::limits::{SendLimitInForce, SendLimiter};
use super::link::Link;
use super::messages::{CloseDevice, DescribeSockets, ProbeSocket, ReadUpTo, SocketFacts, ToSocket};
use super::own::Mine;
use super::positions::{OnTheirWay, Positions};
use super::seldom::Seldom;
use super::signals::News;
use super::subscription::{Part, Subscription};
use crate::conversation::{Conversation, Conversations, Delivery, Joined, Leave, ToMember};
use crate::monitor::{Child, DeathNotice, Down, handled};
use crate::personal::Personal;
use crate::ports::{RosterStore, WallClock};
use crate::presence::Presence;

/// Above the sends that may wait for an answer at once; an empty mailbox takes no room.
const MAILBOX: usize = 4096;
/// Clients of a node that goes away come back spread over this time.
const RECONNECT_AFTER_MS: std::ops::Range<u64> = 500..3_000;
/// Positions are written this often while there are any.
const FLUSH: Duration = Duration::from_secs(1);

/// What sessions work with.
pub struct SessionContext {
    pub conversations: Arc<Conversations>,
    pub presence: Arc<Presence>,
    pub roster: Arc<dyn RosterStore>,
    pub personal: Arc<Personal>,
    pub clock: Arc<dyn WallClock>,
    pub node: NodeId,
    pub heartbeat_ms: u64,
    pub limits: Limits,
    pub send_limit: Arc<SendLimitInForce>,
}

impl SessionContext {
    /// What clients are told.
    pub(super) fn limits(&self) -> Limits {
        let send_limit = self.send_limit.get();
        Limits {
            sends_per_second: send_limit.per_second.get(),
            sends_burst: send_limit.burst.get(),
            ..self.limits
        }
    }
}

/// A send not answered yet.
#[derive(Clone, Copy)]
pub(super) struct Unanswered {
    pub until: Instant,
    /// Once it is stored, the draft goes.
    pub clears_draft: bool,
}

/// The actor.
pub struct Session {
    pub(super) user: UserId,
    pub(super) context: Arc<SessionContext>,
    pub(super) links: Vec<Link>,
    pub(super) conversations: BTreeMap<ConversationId, Subscription>,
    pub(super) limiter: SendLimiter,
    pub(super) positions: Seldom<Positions>,
    pub(super) mine: Mine,
    /// Positions are written soon, or are on their way.
    flush_armed: bool,
    on_their_way: Seldom<OnTheirWay>,
    /// What other members are to hear.
    pub(super) news: Seldom<News>,
    /// Sends not answered yet, and until when.
    pub(super) unanswered: BTreeMap<(ConnectionId, u64), Unanswered>,
    pub(super) deadline_armed: bool,
    /// Pages of history being read for sockets.
    pub(super) fetching: usize,
    /// Sockets being attached.
    pub(super) attaching: usize,
    /// When the user came to this node, for what is read that was sent since.
    pub(super) began_ms: i64,
    _notice: DeathNotice,
}

impl Session {
    #[must_use]
    pub fn new(user: UserId, context: Arc<SessionContext>, notice: DeathNotice) -> Self {
        let limiter = SendLimiter::new(context.send_limit.get());
        let began_ms = context.clock.now_ms();
        Self {
            user,
            context,
            links: Vec::new(),
            conversations: BTreeMap::new(),
            limiter,
            positions: Seldom::default(),
            mine: Mine::default(),
            flush_armed: false,
            on_their_way: Seldom::default(),
            news: Seldom::default(),
            unanswered: BTreeMap::new(),
            deadline_armed: false,
            fetching: 0,
            attaching: 0,
            began_ms,
            _notice: notice,
        }
    }

    pub(super) fn link(&mut self, connection: ConnectionId) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.connection == connection)
    }

    /// Hands something to a socket. One whose mailbox is full or gone is cut off: it comes back
    /// and catches up.
    pub(super) fn hand(&mut self, connection: ConnectionId, what: ToSocket) {
        if self.link(connection).is_some_and(|link| !link.hand(what)) {
            self.detach(connection);
        }
    }

    pub(super) fn frame(&mut self, connection: ConnectionId, frame: ServerFrame) {
        self.hand(connection, ToSocket::Frame(frame));
    }

    /// The conversation's actor, started when needed.
    pub(super) fn conversation(&mut self, id: ConversationId) -> Option<Addr<Conversation>> {
        let known = self.conversations.get(&id).and_then(|it| it.conversation.clone());
        if let Some(address) = known.filter(Addr::connected) {
            return Some(address);
        }
        let address = self.context.conversations.get_or_start(id).ok()?;
        if let Some(subscription) = self.conversations.get_mut(&id) {
            subscription.conversation = Some(address.clone());
        }
        Some(address)
    }

    pub(super) fn detach(&mut self, connection: ConnectionId) {
        self.links.retain(|link| link.connection != connection);
        for subscription in self.conversations.values_mut() {
            subscription.unfollow(connection);
        }
        self.unanswered.retain(|(from, _), _| *from != connection);
        self.show_presence();
        self.watch_presence();
    }

    /// With no socket left the session ends, after its positions are written.
    pub(super) fn end_if_alone(&mut self, ctx: &mut Context<Self>) {
        if !self.links.is_empty() || self.attaching > 0 {
            return;
        }
        let listener = ctx.address().recipient();
        for subscription in self.conversations.values() {
            if let Some(conversation) = &subscription.conversation {
                let leave = Leave { user: self.user, listener: listener.clone() };
                let _ = conversation.try_send(leave);
            }
        }
        self.tell_news();
        self.context.personal.watch(self.user, BTreeSet::new());
        let advances = self.take_positions();
        if advances.is_empty() {
            return ctx.stop();
        }
        let written = self.context.roster.advance_positions(advances);
        ctx.wait(written.into_actor(self).map(|written, _, ctx: &mut Context<Self>| {
            if let Err(error) = written {
                tracing::warn!(%error, "positions lost; devices say them again");
            }
            ctx.stop();
        }));
    }

    /// Positions to be written, those that are nobody's business marked so. With them those on
    /// their way: whoever waits for this write is to find all of them. Where there are any,
    /// `positions_answered` follows.
    pub(super) fn take_positions(&mut self) -> Vec<PositionAdvance> {
        let mut positions = self.positions.take().unwrap_or_default();
        let fresh = positions.take(self.user, |id| self.is_private(id));
        if fresh.is_empty() && self.on_their_way.get().is_none() {
            return fresh;
        }
        self.on_their_way.make().with(fresh)
    }

    /// The store has answered a write of positions; what failed is said again by devices.
    pub(super) fn positions_answered(&mut self) {
        if self.on_their_way.get_mut().is_some_and(OnTheirWay::is_last_answer) {
            self.on_their_way.take();
        }
    }

    pub(super) fn arm_flush(&mut self, ctx: &mut Context<Self>) {
        if self.flush_armed || self.positions.get().is_none_or(Positions::is_empty) {
            return;
        }
        self.flush_armed = true;
        ctx.run_later(FLUSH, |session, ctx| {
            let advances = session.take_positions();
            let roster = &session.context.roster;
            // What was read counts for the chat lists of other devices that arrive.
            let written = if advances.iter().any(|it| it.read.is_some()) {
                roster.advance_positions(advances)
            } else {
                roster.advance_positions_at_leisure(advances)
            };
            ctx.spawn(written.into_actor(session).map(|written, session, ctx| {
                if let Err(error) = written {
                    tracing::warn!(%error, "positions lost; devices say them again");
                }
                session.positions_answered();
                session.flush_armed = false;
                session.arm_flush(ctx);
            }));
        });
    }

    fn deliver(&mut self, delivery: &Delivery, ctx: &mut Context<Self>) {
        let Delivery { conversation, batch } = delivery;
        let (first, last) = (batch.first(), batch.last());
        let concealed = self.mine.conceal_live(*conversation, batch);
        let batch = concealed.as_ref().unwrap_or(batch);
        let Some(subscription) = self.conversations.get_mut(conversation) else { return };
        subscription.head = subscription.head.max(last);
        if subscription.part == Part::Member {
            self.note_here(*conversation, batch.items().iter().map(|item| &item.log.entry));
        }
        let Some(subscription) = self.conversations.get_mut(conversation) else { return };
        let (mut lost, mut behind) = (Vec::new(), Vec::new());
        for cursor in &mut subscription.cursors {
            // After a repair the socket's own messages come without their origin.
            let known = cursor.accepted_of(first, last);
            let connection = cursor.connection;
            match cursor.on_delivery(first, last) {
                Step::Forward { skip } => {
                    let link = self.links.iter_mut().find(|link| link.connection == connection);
                    let clock = self.context.clock.as_ref();
                    if link.is_some_and(|link| !link.deliver(batch, skip, &known, clock)) {
                        lost.push(connection);
                    }
                }
                Step::Behind => behind.push(connection),
                Step::Drop | Step::Hold => {}
            }
        }
        for connection in lost {
            self.detach(connection);
        }
        for connection in behind {
            self.fall_behind(connection, *conversation, ctx);
        }
    }

    fn on_joined(&mut self, joined: &Joined, ctx: &mut Context<Self>) {
        let id = joined.conversation;
        let links: Vec<ConnectionId> = self.links.iter().map(|link| link.connection).collect();
        let conversations = &self.context.conversations;
        let subscription = self.conversations.entry(id).or_insert_with(|| {
            let mut fresh = Subscription::joined(joined, Part::Member);
            fresh.follow = conversations.follow(id, joined.head);
            for connection in &links {
                fresh.follow(*connection, joined.visible_after);
            }
            fresh
        });
        subscription.head = subscription.head.max(joined.head);
        let head = subscription.head;
        let behind: Vec<ConnectionId> = subscription
            .cursors
            .iter()
            .filter(|cursor| cursor.sent < head && !cursor.catching_up)
            .map(|cursor| cursor.connection)
            .collect();
        for connection in behind {
            self.fall_behind(connection, id, ctx);
        }
    }

    /// A conversation was made with this user in it: clients fetch its facts.
    fn on_created(&mut self, id: ConversationId, generation: u32) {
        let frame = ServerFrame::Resync(Resync {
            conversation_id: id,
            generation,
            head: schema::Sequence::START,
            reason: "created".into(),
        });
        let connections: Vec<ConnectionId> = self.links.iter().map(|it| it.connection).collect();
        for connection in connections {
            self.frame(connection, frame.clone());
        }
    }
}

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<ToMember> for Session {
    type Result = ();

    fn handle(&mut self, message: ToMember, ctx: &mut Self::Context) {
        handled();
        match message {
            ToMember::Deliver(delivery) => self.deliver(&delivery, ctx),
            ToMember::Joined(joined) => self.on_joined(&joined, ctx),
            ToMember::Head { conversation, head } => self.on_head(conversation, head, ctx),
            ToMember::Left { conversation } => drop(self.conversations.remove(&conversation)),
            ToMember::Created { conversation, generation } => {
                self.on_created(conversation, generation);
            }
            ToMember::Answered(answered) => self.on_answered(answered, ctx),
            ToMember::Typing(update) => self.frame_to_all(&ServerFrame::TypingUpdate(update)),
            ToMember::Statuses { conversation, statuses } => {
                self.on_statuses(conversation, &statuses);
            }
            ToMember::Presence(statuses) => self.on_presence(&statuses),
            ToMember::Own { by, frame } => self.on_own(by, &frame),
            ToMember::LookAgain(user) => {
                if self.links.iter().any(|link| link.watched.contains(&user)) {
                    self.look_at(vec![user], None, ctx);
                }
            }
        }
        if self.links.is_empty() {
            self.end_if_alone(ctx);
        }
    }
}

impl Handler<Down> for Session {
    type Result = ();

    fn handle(&mut self, message: Down, ctx: &mut Self::Context) {
        if let Child::Connection(connection) = message.child {
            self.detach(connection);
            self.end_if_alone(ctx);
        }
    }
}

impl Handler<CloseDevice> for Session {
    type Result = ();

    fn handle(&mut self, message: CloseDevice, ctx: &mut Self::Context) {
        let CloseDevice { device, code } = message;
        let meant: Vec<ConnectionId> = self
            .links
            .iter()
            .filter(|link| device.is_none_or(|device| device == link.device))
            .map(|link| link.connection)
            .collect();
        for connection in meant {
            self.close(connection, code);
        }
        self.end_if_alone(ctx);
    }
}

impl Session {
    pub(super) fn close(&mut self, connection: ConnectionId, code: CloseCode) {
        if code == CloseCode::Draining {
            let reconnect_after_ms = rand::rng().random_range(RECONNECT_AFTER_MS);
            self.frame(connection, ServerFrame::Draining(Draining { reconnect_after_ms }));
        }
        self.hand(connection, ToSocket::Close { code, error: None });
        self.detach(connection);
    }
}

crate::answer_probes!(Session);

impl Handler<ProbeSocket> for Session {
    type Result = ();

    fn handle(&mut self, message: ProbeSocket, _: &mut Self::Context) {
        if let Some(link) = self.links.first() {
            let _ = link.socket.try_send(ToSocket::Probe(message.0.passed_on()));
        }
    }
}

impl Handler<DescribeSockets> for Session {
    type Result = ();

    fn handle(&mut self, message: DescribeSockets, _: &mut Self::Context) {
        let facts = self.links.iter().map(|link| SocketFacts {
            connection: link.connection,
            device: link.device,
            is_away: link.is_away,
        });
        let _ = message.reply.send(facts.collect());
    }
}

impl Handler<ReadUpTo> for Session {
    type Result = ();

    fn handle(&mut self, message: ReadUpTo, _: &mut Self::Context) {
        if let Some(subscription) = self.conversations.get_mut(&message.conversation)
            && subscription.read < message.seq
        {
            subscription.read = message.seq;
            self.show_own_read(message.conversation, message.seq, None);
        }
    }
}
