//! A simulated node: its actors, what they share, and how they are started and ended.

use std::collections::BTreeMap;

use schema::{ConversationId, NodeId, OwnerToken};

use super::actor::{Action, Address, Child, Context, Registry};
use super::committer::Committer;
use super::conversation::Conversation;
use super::event::Event;
use super::inbox::Inbox;
use super::keeper::Keeper;
use super::message::Message;
use super::mutants::Mutant;
use super::sequencer::Sequencer;
use super::session::Session;
use super::shared::{Shared, node_id};
use super::stand_in::StandIn;
use super::world::World;
use crate::ports::Owner;
use crate::sequencer::core::SequencerCore;
use crate::sequencer::shard_of;

pub enum Actor {
    Inbox(Box<Inbox>),
    Keeper(Box<Keeper>),
    Committer(Box<Committer>),
    Sequencer(Box<Sequencer>),
    StandIn(Box<StandIn>),
    Conversation(Box<Conversation>),
    Session(Box<Session>),
}

impl Actor {
    fn started(&mut self, ctx: &mut Context<'_>) {
        match self {
            Self::Inbox(actor) => actor.started(ctx),
            Self::Keeper(actor) => actor.started(ctx),
            Self::Committer(actor) => actor.started(ctx),
            Self::Sequencer(actor) => actor.started(ctx),
            Self::StandIn(actor) => actor.started(ctx),
            Self::Conversation(actor) => actor.started(ctx),
            Self::Session(_) => {}
        }
    }

    fn handle(&mut self, message: Message, ctx: &mut Context<'_>) {
        match self {
            Self::Inbox(actor) => actor.handle(message, ctx),
            Self::Keeper(actor) => actor.handle(message, ctx),
            Self::Committer(actor) => actor.handle(message, ctx),
            Self::Sequencer(actor) => actor.handle(message, ctx),
            Self::StandIn(actor) => actor.handle(message, ctx),
            Self::Conversation(actor) => actor.handle(message, ctx),
            Self::Session(actor) => actor.handle(message, ctx),
        }
    }

    /// Runs also after a panic: what the real ones do when they are dropped.
    fn stopped(&mut self, ctx: &mut Context<'_>) {
        match self {
            Self::Inbox(_) | Self::Keeper(_) => {}
            Self::Committer(actor) => actor.stopped(ctx),
            Self::Sequencer(actor) => actor.stopped(ctx),
            Self::StandIn(actor) => actor.stopped(ctx),
            Self::Conversation(actor) => actor.stopped(ctx),
            Self::Session(actor) => actor.stopped(ctx),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    Up,
    /// Handles nothing, knows nothing of it.
    Paused {
        since_ms: u64,
    },
    Down {
        since_ms: u64,
    },
}

pub struct Node {
    pub state: NodeState,
    /// Counts its processes.
    pub life: u64,
    pub shared: Shared,
    pub registry: Registry,
    pub actors: BTreeMap<Child, (u64, Actor)>,
    /// It learns nothing of who owns what until then.
    pub misled_until_ms: u64,
    /// What came while it was paused.
    pub backlog: Vec<Event>,
    /// See `Mutant::NumbersContinueAfterFence`.
    kept: BTreeMap<ConversationId, SequencerCore>,
}

impl Node {
    #[must_use]
    pub fn new(node: usize, shards: u32) -> Self {
        Self {
            state: NodeState::Down { since_ms: 0 },
            life: 0,
            shared: Shared::new(node_id(node, 0), shards, Owner::Unknown),
            registry: Registry::default(),
            actors: BTreeMap::new(),
            misled_until_ms: 0,
            backlog: Vec::new(),
            kept: BTreeMap::new(),
        }
    }

    /// All memory is lost.
    pub fn die(&mut self, now_ms: u64) {
        self.state = NodeState::Down { since_ms: now_ms };
        self.life += 1;
        self.registry.clear();
        self.actors.clear();
        self.backlog.clear();
        self.kept.clear();
    }

    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state == NodeState::Up
    }
}

impl World {
    /// A process starts on a node.
    pub(super) fn boot(&mut self, node: usize) {
        let owner = if self.schedule.is_embedded { Owner::Here } else { Owner::Unknown };
        let id = node_id(node, self.nodes[node].life);
        let now_ms = self.queue.now_ms();
        let is_connected = self.bus.is_connected(node, now_ms);
        if !is_connected {
            self.await_bridge(node);
        }
        let it = &mut self.nodes[node];
        it.state = NodeState::Up;
        it.shared = Shared::new(id, self.schedule.shards, owner);
        it.shared.is_connected = is_connected;
        self.get_or_start(node, Child::Keeper);
        self.get_or_start(node, Child::Inbox);
    }

    /// Where a process runs, or stands still.
    #[must_use]
    pub(super) fn place_of(&self, id: NodeId) -> Option<usize> {
        let is_it =
            |node: &Node| node.shared.id == id && !matches!(node.state, NodeState::Down { .. });
        self.nodes.iter().position(is_it)
    }

    fn with_actor(
        &mut self,
        node: usize,
        address: Address,
        run: impl FnOnce(&mut Actor, &mut Context<'_>),
    ) -> bool {
        let calendar_ms = self.calendar_ms(self.schedule.skew_ms[node]);
        let now_ms = self.queue.now_ms();
        let Node { shared, registry, actors, .. } = &mut self.nodes[node];
        let Some((incarnation, actor)) = actors.get_mut(&address.child) else { return false };
        if *incarnation != address.incarnation {
            return false;
        }
        let mut ctx = Context {
            now_ms,
            calendar_ms,
            me: address,
            schedule: &self.schedule,
            mutant: self.mutant,
            shared,
            registry,
            actions: &mut self.actions,
            random: &mut self.random,
            strikes: &mut self.strikes,
        };
        run(actor, &mut ctx);
        true
    }

    /// Lets something happen on a node that is no actor's doing.
    pub(super) fn with_context<T>(
        &mut self,
        node: usize,
        me: Address,
        run: impl FnOnce(&mut Context<'_>) -> T,
    ) -> T {
        let waiting = std::mem::take(&mut self.actions);
        let calendar_ms = self.calendar_ms(self.schedule.skew_ms[node]);
        let Node { shared, registry, .. } = &mut self.nodes[node];
        let done = run(&mut Context {
            now_ms: self.queue.now_ms(),
            calendar_ms,
            me,
            schedule: &self.schedule,
            mutant: self.mutant,
            shared,
            registry,
            actions: &mut self.actions,
            random: &mut self.random,
            strikes: &mut self.strikes,
        });
        self.carry_out(node, me);
        self.actions = waiting;
        done
    }

    /// Lets an actor handle a message; one that is gone bounces what can be bounced.
    pub(super) fn dispatch(&mut self, node: usize, to: Address, message: Message) {
        let is_clockwork = message.is_clockwork();
        self.trace.line_if(!is_clockwork, self.queue.now_ms(), || {
            let mut text = format!("node {node}: {} hears {}", to.brief(), message.brief());
            text.truncate(300);
            text
        });
        let bounced = message.bounced(to);
        let handled = self.with_actor(node, to, |actor, ctx| actor.handle(message, ctx));
        if handled {
            self.carry_out(node, to);
        } else if let Some((to, message)) = bounced {
            self.tell(node, to, message);
        }
    }

    /// Puts a message into a mailbox of the node.
    pub(super) fn tell(&mut self, node: usize, to: Address, message: Message) {
        // Sessions live on threads of their own.
        let is_session = matches!(to.child, Child::Session(_))
            || matches!(&message, Message::Conversation(it) if it.is_from_session());
        let life = self.nodes[node].life;
        self.queue.push(u64::from(is_session), Event::Message { node, life, to, message });
    }

    pub(super) fn tell_child(&mut self, node: usize, child: Child, message: Message) {
        if let Some(to) = self.nodes[node].registry.get(child) {
            self.tell(node, to, message);
        }
    }

    pub(super) fn get_or_start(&mut self, node: usize, child: Child) -> Address {
        let address = self.nodes[node].registry.get_or_start(child);
        self.start_all(node);
        address
    }

    /// Does what the actor's last handler wanted.
    fn carry_out(&mut self, node: usize, from: Address) {
        let actions = std::mem::take(&mut self.actions);
        self.start_all(node);
        for action in actions {
            self.carry_out_one(node, from, action);
        }
    }

    fn carry_out_one(&mut self, node: usize, from: Address, action: Action) {
        match action {
            Action::Tell { to, message } => self.tell(node, to, message),
            Action::Later { ms_min, ms_max, message } => {
                let delay_ms = self.random.between(ms_min, ms_max);
                let life = self.nodes[node].life;
                self.queue.push(delay_ms, Event::Message { node, life, to: from, message });
            }
            Action::Call { ticket, call } => self.call(node, from, ticket, call),
            Action::Bus { to, frame } => self.send_over_bus(node, to, &frame),
            Action::ToSocket { socket, frame } => self.send_to_client(socket, frame),
            Action::WhenDrained { socket, conversation } => {
                self.when_drained(socket, conversation);
            }
            Action::CloseSocket(socket) => self.close_by_node(socket),
            Action::Stop => self.end(node, from, false),
            Action::Observe(observation) => self.observe(node, observation),
        }
    }

    fn start_all(&mut self, node: usize) {
        while let Some(address) = self.nodes[node].registry.starting.pop_front() {
            self.start(node, address);
        }
    }

    fn start(&mut self, node: usize, address: Address) {
        self.trace.line(self.queue.now_ms(), || format!("node {node}: {} starts", address.brief()));
        let actor = self.new_actor(node, address);
        self.nodes[node].actors.insert(address.child, (address.incarnation, actor));
        let waiting = std::mem::take(&mut self.actions);
        self.with_actor(node, address, Actor::started);
        self.carry_out(node, address);
        self.actions = waiting;
    }

    fn new_actor(&mut self, node: usize, address: Address) -> Actor {
        match address.child {
            Child::Inbox => Actor::Inbox(Box::default()),
            Child::Keeper => Actor::Keeper(Box::new(Keeper::new(self.schedule.shards))),
            Child::Committer(shard) => {
                let owner = OwnerToken::from_bytes(self.random.bytes());
                let committer = Committer::new(shard, owner, &self.schedule, self.mutant);
                Actor::Committer(Box::new(committer))
            }
            Child::Sequencer(id) => {
                let shard = shard_of(id, self.schedule.shards);
                let kept = self.nodes[node].kept.remove(&id);
                Actor::Sequencer(Box::new(Sequencer::new(id, shard, kept)))
            }
            Child::StandIn(id) => {
                let shard = shard_of(id, self.schedule.shards);
                Actor::StandIn(Box::new(StandIn::new(id, shard)))
            }
            Child::Conversation(id) => Actor::Conversation(Box::new(Conversation::new(id))),
            Child::Session(user) => Actor::Session(Box::new(Session::new(user))),
        }
    }

    /// Ends one life of an actor: its mailbox is lost, the supervisor hears of it.
    pub(super) fn end(&mut self, node: usize, address: Address, has_panicked: bool) {
        if !self.nodes[node].registry.is_alive(address) {
            return;
        }
        self.trace.line(self.queue.now_ms(), || {
            let how = if has_panicked { "panics" } else { "stops" };
            format!("node {node}: {} {how}", address.brief())
        });
        self.nodes[node].registry.remove(address);
        let waiting = std::mem::take(&mut self.actions);
        self.with_actor(node, address, Actor::stopped);
        self.carry_out(node, address);
        self.actions = waiting;
        let removed = self.nodes[node].actors.remove(&address.child);
        if let (Some((_, Actor::Sequencer(sequencer))), Child::Sequencer(id)) =
            (removed, address.child)
            && self.mutant == Mutant::NumbersContinueAfterFence
            && let Some(core) = sequencer.into_core()
        {
            self.nodes[node].kept.insert(id, core);
        }
        let life = self.nodes[node].life;
        self.queue.push(1, Event::Down { node, life, address, has_panicked });
    }
}
