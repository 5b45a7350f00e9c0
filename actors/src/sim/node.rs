//! A simulated node: its actors, its supervisor, and its view of who owns which shard.

use std::collections::BTreeMap;

use schema::{ConversationId, OwnerToken};

use super::actor::{Action, Address, Child, Context, Registry};
use super::bus_model::BusFrame;
use super::committer::Committer;
use super::conversation::Conversation;
use super::event::Event;
use super::message::{Message, Reply, ToConversation};
use super::mutants::Mutant;
use super::sequencer::Sequencer;
use super::session::Session;
use super::world::World;
use crate::sequencer::core::SequencerCore;
use crate::sequencer::shard_of;

pub enum Actor {
    Committer(Box<Committer>),
    Sequencer(Box<Sequencer>),
    Conversation(Box<Conversation>),
    Session(Box<Session>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    Up,
    /// Handles nothing, knows nothing of it.
    Paused {
        since_ms: u64,
    },
    Down,
}

pub struct Node {
    pub state: NodeState,
    /// Counts its processes.
    pub life: u64,
    pub registry: Registry,
    pub actors: BTreeMap<Child, (u64, Actor)>,
    /// By shard.
    pub hints: Vec<Option<usize>>,
    /// It believes what it should not until then.
    pub misled_until_ms: u64,
    /// What came while it was paused.
    pub backlog: Vec<Event>,
    /// See `Mutant::NumbersContinueAfterFence`.
    kept: BTreeMap<ConversationId, SequencerCore>,
}

impl Node {
    #[must_use]
    pub fn new(shards: u32) -> Self {
        Self {
            state: NodeState::Up,
            life: 0,
            registry: Registry::default(),
            actors: BTreeMap::new(),
            hints: vec![None; shards as usize],
            misled_until_ms: 0,
            backlog: Vec::new(),
            kept: BTreeMap::new(),
        }
    }
}

impl World {
    fn with_actor(
        &mut self,
        node: usize,
        address: Address,
        run: impl FnOnce(&mut Actor, &mut Context<'_>),
    ) -> bool {
        let calendar_ms = self.calendar_ms(self.schedule.skew_ms[node]);
        let now_ms = self.queue.now_ms();
        let Node { registry, actors, hints, .. } = &mut self.nodes[node];
        let Some((incarnation, actor)) = actors.get_mut(&address.child) else { return false };
        if *incarnation != address.incarnation {
            return false;
        }
        let mut ctx = Context {
            now_ms,
            calendar_ms,
            node,
            me: address,
            schedule: &self.schedule,
            mutant: self.mutant,
            hints,
            registry,
            actions: &mut self.actions,
        };
        run(actor, &mut ctx);
        true
    }

    /// Lets an actor handle a message; one that is gone bounces what can be bounced.
    pub(super) fn dispatch(&mut self, node: usize, to: Address, message: Message) {
        self.trace.line(self.queue.now_ms(), || {
            let mut text = format!("node {node}: {} hears {message:?}", to.brief());
            text.truncate(300);
            text
        });
        let bounced = message.bounced(to);
        let handled = self.with_actor(node, to, |actor, ctx| match actor {
            Actor::Committer(actor) => actor.handle(message, ctx),
            Actor::Sequencer(actor) => actor.handle(message, ctx),
            Actor::Conversation(actor) => actor.handle(message, ctx),
            Actor::Session(actor) => actor.handle(message, ctx),
        });
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
        let starting = std::mem::take(&mut self.nodes[node].registry.starting);
        for address in starting {
            self.start(node, address);
        }
    }

    fn start(&mut self, node: usize, address: Address) {
        self.trace.line(self.queue.now_ms(), || format!("node {node}: {} starts", address.brief()));
        let actor = self.new_actor(node, address);
        self.nodes[node].actors.insert(address.child, (address.incarnation, actor));
        let waiting = std::mem::take(&mut self.actions);
        self.with_actor(node, address, |actor, ctx| match actor {
            Actor::Committer(actor) => actor.started(ctx),
            Actor::Sequencer(actor) => actor.started(ctx),
            Actor::Conversation(actor) => actor.started(ctx),
            Actor::Session(_) => {}
        });
        self.carry_out(node, address);
        self.actions = waiting;
    }

    fn new_actor(&mut self, node: usize, address: Address) -> Actor {
        match address.child {
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
        self.with_actor(node, address, |actor, ctx| match actor {
            Actor::Committer(_) => {}
            Actor::Sequencer(actor) => actor.stopped(ctx),
            Actor::Conversation(actor) => actor.stopped(ctx),
            Actor::Session(actor) => actor.stopped(ctx),
        });
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

    /// A frame of another node arrives.
    pub(super) fn on_bus_frame(&mut self, node: usize, frame: BusFrame) {
        match frame {
            BusFrame::Announcement { conversation, entries } => {
                let news = Message::Conversation(ToConversation::Announced(entries));
                self.tell_child(node, Child::Conversation(conversation), news);
            }
            BusFrame::Head { conversation, head } => {
                let news = Message::Conversation(ToConversation::Head(head));
                self.tell_child(node, Child::Conversation(conversation), news);
            }
            BusFrame::Forward { node: asking, asker, conversation, batch, drafts } => {
                let shard = shard_of(conversation, self.schedule.shards);
                if self.nodes[node].hints[shard as usize] != Some(node) {
                    let moved = BusFrame::Moved { asker, batch };
                    return self.send_over_bus(node, Some(asking), &moved);
                }
                let to = self.get_or_start(node, Child::Conversation(conversation));
                for (token, draft) in drafts {
                    let reply = Reply::Node { node: asking, asker, token };
                    let submit = ToConversation::Submit { draft, reply };
                    self.tell(node, to, Message::Conversation(submit));
                }
            }
            BusFrame::Forwarded { asker, token, result } => {
                let answer = ToConversation::Forwarded { token, result };
                self.tell(node, asker, Message::Conversation(answer));
            }
            BusFrame::Moved { asker, batch } => {
                let moved = ToConversation::Moved { batch };
                self.tell(node, asker, Message::Conversation(moved));
            }
        }
    }
}
