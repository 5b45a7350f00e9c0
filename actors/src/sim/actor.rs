//! What simulated actors share: addresses that go stale, mailboxes, and what a handler may do.

use std::collections::BTreeMap;

use schema::{ConversationId, UserId};

use super::bus_model::BusFrame;
use super::message::{Frame, Message};
use super::mutants::Mutant;
use super::schedule::Schedule;
use super::store_model::{Call, Ticket};
use crate::sequencer::shard_of;

/// Which actor of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Child {
    Committer(u32),
    Sequencer(ConversationId),
    Conversation(ConversationId),
    Session(UserId),
}

/// One life of an actor. Messages to a life that is over are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    pub child: Child,
    pub incarnation: u64,
}

impl Address {
    /// For the trace.
    #[must_use]
    pub fn brief(self) -> String {
        let Self { child, incarnation } = self;
        match child {
            Child::Committer(shard) => format!("committer {shard} ({incarnation})"),
            Child::Sequencer(id) => format!("sequencer {} ({incarnation})", short(id.0)),
            Child::Conversation(id) => format!("conversation {} ({incarnation})", short(id.0)),
            Child::Session(user) => format!("session {} ({incarnation})", short(user.0)),
        }
    }
}

fn short(id: uuid::Uuid) -> String {
    id.simple().to_string()[..8].to_owned()
}

/// The living actors of a node.
#[derive(Default)]
pub struct Registry {
    living: BTreeMap<Child, u64>,
    incarnations: u64,
    /// Begun by the handler that runs, not yet alive.
    pub starting: Vec<Address>,
}

impl Registry {
    #[must_use]
    pub fn get(&self, child: Child) -> Option<Address> {
        self.living.get(&child).map(|&incarnation| Address { child, incarnation })
    }

    pub fn get_or_start(&mut self, child: Child) -> Address {
        self.get(child).unwrap_or_else(|| {
            self.incarnations += 1;
            let address = Address { child, incarnation: self.incarnations };
            self.living.insert(child, address.incarnation);
            self.starting.push(address);
            address
        })
    }

    #[must_use]
    pub fn is_alive(&self, address: Address) -> bool {
        self.living.get(&address.child) == Some(&address.incarnation)
    }

    pub fn remove(&mut self, address: Address) {
        if self.is_alive(address) {
            self.living.remove(&address.child);
        }
    }

    pub fn clear(&mut self) {
        self.living.clear();
        self.starting.clear();
    }

    pub fn all(&self) -> impl Iterator<Item = Address> {
        self.living.iter().map(|(&child, &incarnation)| Address { child, incarnation })
    }
}

/// What a handler wants done once it has returned.
pub enum Action {
    Tell {
        to: Address,
        message: Message,
    },
    /// To itself, after a time between the two.
    Later {
        ms_min: u64,
        ms_max: u64,
        message: Message,
    },
    Call {
        ticket: Ticket,
        call: Call,
    },
    /// To one other node, or to all.
    Bus {
        to: Option<usize>,
        frame: BusFrame,
    },
    ToSocket {
        socket: u64,
        frame: Frame,
    },
    /// Tells the session when everything sent to the socket so far has left.
    WhenDrained {
        socket: u64,
        conversation: ConversationId,
    },
    CloseSocket(u64),
    Stop,
    Observe(Observation),
}

/// What the simulation counts or judges.
#[derive(Clone, Debug)]
pub enum Observation {
    TakeOver,
    Broken {
        shard: u32,
    },
    Fenced,
    GaveUp,
    NotClaimed,
    RingFull,
    LookUp,
    GapRepair,
    Resync,
    /// Everything of this conversation up to here was said to be in the readers' tables.
    Settled {
        conversation: ConversationId,
        up_to: schema::Sequence,
    },
}

/// What a handler may see and do.
pub struct Context<'a> {
    pub now_ms: u64,
    /// The node's calendar, milliseconds since 1970.
    pub calendar_ms: i64,
    pub node: usize,
    pub me: Address,
    pub schedule: &'a Schedule,
    pub mutant: Mutant,
    /// By shard: who should own it, as this node believes.
    pub hints: &'a [Option<usize>],
    pub registry: &'a mut Registry,
    pub actions: &'a mut Vec<Action>,
}

impl Context<'_> {
    /// False when the receiver is gone.
    pub fn tell(&mut self, to: Address, message: Message) -> bool {
        let is_alive = self.registry.is_alive(to);
        if is_alive {
            self.actions.push(Action::Tell { to, message });
        }
        is_alive
    }

    pub fn later(&mut self, ms: u64, message: Message) {
        self.actions.push(Action::Later { ms_min: ms, ms_max: ms, message });
    }

    pub fn call(&mut self, ticket: Ticket, call: Call) {
        self.actions.push(Action::Call { ticket, call });
    }

    pub fn observe(&mut self, observation: Observation) {
        self.actions.push(Action::Observe(observation));
    }

    pub fn stop(&mut self) {
        self.actions.push(Action::Stop);
    }

    #[must_use]
    pub fn shard_of(&self, conversation: ConversationId) -> u32 {
        shard_of(conversation, self.schedule.shards)
    }

    /// Who should own the conversation's shard, as this node believes.
    #[must_use]
    pub fn owner_of(&self, conversation: ConversationId) -> Option<usize> {
        self.hints[self.shard_of(conversation) as usize]
    }
}
