//! What simulated actors share: addresses that go stale, mailboxes, and what a handler may do.

use std::collections::{BTreeMap, VecDeque};
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use schema::{ConversationId, NodeId, UserId};

use super::faults::{FaultClass, Strikes};
use super::message::{Frame, Message};
use super::mutants::Mutant;
use super::random::Random;
use super::schedule::Schedule;
use super::shared::Shared;
use super::store_model::{Call, Ticket};
use crate::ports::Owner;
use crate::sequencer::shard_of;

/// Which actor of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Child {
    Inbox,
    Keeper,
    Committer(u32),
    Sequencer(ConversationId),
    /// Of a sequencer on another node.
    StandIn(ConversationId),
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
            Child::Inbox => "inbox".to_owned(),
            Child::Keeper => "keeper".to_owned(),
            Child::StandIn(id) => format!("stand-in {} ({incarnation})", short(id.0)),
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
    pub starting: VecDeque<Address>,
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
            self.starting.push_back(address);
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
        to: Option<NodeId>,
        frame: Bytes,
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
    /// A device was told that there is no such number as it claims to have.
    Resync {
        conversation: ConversationId,
        claimed: schema::Sequence,
    },
    /// A device is ahead of its node and waits.
    Claimed,
    /// A head told of entries whose announcement did not come.
    NewsMissed,
    /// A copy of drafts handed over before was not worked on.
    BatchAgain,
    /// What follows from other faults struck.
    Struck(FaultClass),
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
    pub me: Address,
    pub schedule: &'a Schedule,
    pub mutant: Mutant,
    pub shared: &'a mut Shared,
    pub registry: &'a mut Registry,
    pub actions: &'a mut Vec<Action>,
    pub random: &'a mut Random,
    pub strikes: &'a mut Strikes,
}

impl Context<'_> {
    /// Whether a fault of this class strikes now.
    pub fn strikes(&mut self, class: FaultClass) -> bool {
        let strikes = self.random.chance(self.schedule.faults.rate(class));
        if strikes {
            self.strikes.strike(class);
        }
        strikes
    }

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

    /// Who numbers a shard's drafts, as this node can tell. Here means that it may: the shard is
    /// assigned to this node and was not lost.
    #[must_use]
    pub fn owner(&self, shard: u32) -> Owner {
        match self.shared.view.owner(shard) {
            Owner::Here if !self.shared.ownership.is_assigned(shard) => Owner::Unknown,
            owner => owner,
        }
    }

    /// The shard's committer, started when needed; `None` for shards that are not this node's.
    pub fn committer(&mut self, shard: u32) -> Option<Address> {
        let is_assigned = self.shared.ownership.is_assigned(shard);
        is_assigned.then(|| self.registry.get_or_start(Child::Committer(shard)))
    }

    /// Whoever numbers the conversation's drafts, or stands in for it.
    pub fn sequencer(&mut self, id: ConversationId) -> Address {
        self.registry.get_or_start(match self.owner(self.shard_of(id)) {
            Owner::Here => Child::Sequencer(id),
            Owner::Elsewhere(_) | Owner::Unknown => Child::StandIn(id),
        })
    }

    /// For pure parts that measure with the clock of tokio.
    #[must_use]
    pub fn instant(&self) -> tokio::time::Instant {
        static BEGAN: OnceLock<tokio::time::Instant> = OnceLock::new();
        let began = BEGAN.get_or_init(tokio::time::Instant::now);
        *began + Duration::from_millis(self.now_ms)
    }
}
