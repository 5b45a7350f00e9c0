//! What this node believes about the others, and so who owns what: pure, told what was seen.
//!
//! A node is believed alive while the answers to this node's heartbeats name it. When one is no
//! longer named it is gone at once, save that this node has reason to doubt what it sees: it could
//! not ask for a while, or its own entry was missing too, so that everyone's may have been lost.
//! Then who is not named stays believed for [`GRACE`]: living nodes come back within half a second.

use std::collections::BTreeMap;
use std::time::Duration;

use actors::ports::Owner;
use schema::NodeId;

use super::rendezvous;

/// Who is no longer named stays believed for this long after trouble.
pub const GRACE: Duration = Duration::from_secs(2);
/// Answers further apart are trouble: heartbeats are half a second apart.
const GAP_MAX: Duration = Duration::from_millis(1500);
/// By then every other node has seen this one: they ask twice a second.
const INTRODUCED_AFTER: Duration = Duration::from_secs(1);
/// A predecessor that has not released by then will not.
const HAND_OVER_MAX: Duration = Duration::from_secs(5);

/// Whether a node takes shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    Serving,
    /// Owns nothing by the rules, and releases what it holds.
    Leaving,
}

/// What a heartbeat found of this node's own entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnEntry {
    Renewed,
    /// Never there, expired or lost: it is there again now.
    Missing,
    /// Another process goes by this node's id.
    Taken,
}

/// The answer to a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub own: OwnEntry,
    /// Everyone alive, this node too.
    pub nodes: BTreeMap<NodeId, NodeState>,
}

/// Who owns each shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ownership {
    /// By shard; empty while unknown.
    owners: Vec<Owner>,
    /// By shard: the node that had it before lives, and is about to release it.
    handed_over: Vec<bool>,
}

impl Ownership {
    #[must_use]
    pub fn owner(&self, shard: u32) -> Owner {
        self.owners.get(shard as usize).copied().unwrap_or(Owner::Unknown)
    }

    #[must_use]
    pub fn is_handed_over(&self, shard: u32) -> bool {
        self.handed_over.get(shard as usize).copied().unwrap_or(false)
    }
}

#[derive(Clone, Copy, Debug)]
struct Member {
    state: NodeState,
    /// Since when answers do not name it.
    missing_since: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Predecessor {
    node: NodeId,
    until: Duration,
}

/// The view of one node. Times are since some moment before the first call.
#[derive(Debug)]
pub struct View {
    me: NodeId,
    shards: u32,
    is_leaving: bool,
    is_taken: bool,
    members: BTreeMap<NodeId, Member>,
    answered_at: Option<Duration>,
    has_failed_since: bool,
    in_doubt_until: Duration,
    introduction_at: Option<Duration>,
    introduced: u64,
    /// By shard that came here.
    predecessors: BTreeMap<u32, Predecessor>,
    /// Which node an operator gave a shard to.
    pins: BTreeMap<u32, NodeId>,
    ownership: Ownership,
}

impl View {
    #[must_use]
    pub fn new(me: NodeId, shards: u32) -> Self {
        Self {
            me,
            shards,
            is_leaving: false,
            is_taken: false,
            members: BTreeMap::new(),
            answered_at: None,
            has_failed_since: false,
            in_doubt_until: Duration::ZERO,
            introduction_at: None,
            introduced: 0,
            predecessors: BTreeMap::new(),
            pins: BTreeMap::new(),
            ownership: Ownership::default(),
        }
    }

    #[must_use]
    pub fn ownership(&self) -> &Ownership {
        &self.ownership
    }

    /// The other nodes that are believed alive; `None` before the first answer.
    #[must_use]
    pub fn others(&self) -> Option<Vec<NodeId>> {
        self.answered_at?;
        Some(self.members.keys().copied().filter(|node| *node != self.me).collect())
    }

    /// Goes up when the others have had time to learn of this node.
    #[must_use]
    pub fn introduced(&self) -> u64 {
        self.introduced
    }

    /// Another process goes by this node's id: it owns nothing here.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.is_taken
    }

    /// A heartbeat got no answer.
    pub fn failed(&mut self, now: Duration) {
        self.has_failed_since = true;
        self.decide(now);
    }

    /// A heartbeat was answered.
    pub fn answered(&mut self, now: Duration, answer: &Answer) {
        self.is_taken = answer.own == OwnEntry::Taken;
        if self.is_trouble(now, answer.own) {
            self.in_doubt_until = now + GRACE;
        }
        self.introduce(now, answer.own);
        self.see(now, &answer.nodes);
        self.answered_at = Some(now);
        self.has_failed_since = false;
        self.decide(now);
    }

    /// Which shards operators gave to which nodes, instead of where the rules would have them. Counts
    /// from the next answer on, while that node serves.
    pub fn pinned(&mut self, pins: BTreeMap<u32, NodeId>) {
        self.pins = pins;
    }

    /// This node gives up its shards, from now on.
    pub fn leave(&mut self, now: Duration) {
        self.is_leaving = true;
        self.decide(now);
    }

    fn is_trouble(&self, now: Duration, own: OwnEntry) -> bool {
        let Some(answered_at) = self.answered_at else { return false };
        own == OwnEntry::Missing || self.has_failed_since || now - answered_at > GAP_MAX
    }

    fn introduce(&mut self, now: Duration, own: OwnEntry) {
        if own == OwnEntry::Missing {
            self.introduction_at = Some(now + INTRODUCED_AFTER);
        } else if self.introduction_at.is_some_and(|at| at <= now) {
            self.introduction_at = None;
            self.introduced += 1;
        }
    }

    fn see(&mut self, now: Duration, nodes: &BTreeMap<NodeId, NodeState>) {
        let is_doubtful = now < self.in_doubt_until;
        self.members.retain(|node, member| {
            if nodes.contains_key(node) {
                return true;
            }
            match member.missing_since {
                Some(since) => now - since < GRACE,
                None => {
                    member.missing_since = Some(now);
                    is_doubtful
                }
            }
        });
        for (node, state) in nodes {
            self.members.insert(*node, Member { state: *state, missing_since: None });
        }
    }

    fn decide(&mut self, now: Duration) {
        if self.answered_at.is_none() {
            return;
        }
        let owners: Vec<Owner> = (0..self.shards).map(|shard| self.owner_now(shard)).collect();
        for (shard, owner) in (0..).zip(&owners) {
            if *owner != Owner::Here {
                self.predecessors.remove(&shard);
            } else if self.ownership.owner(shard) != Owner::Here
                && let Some(node) = self.predecessor(shard)
            {
                self.predecessors.insert(shard, Predecessor { node, until: now + HAND_OVER_MAX });
            }
        }
        let is_expected = |shard| {
            self.predecessors.get(&shard).is_some_and(|predecessor| {
                now < predecessor.until && self.members.contains_key(&predecessor.node)
            })
        };
        let handed_over = (0..self.shards).map(is_expected).collect();
        self.ownership = Ownership { owners, handed_over };
    }

    fn owner_now(&self, shard: u32) -> Owner {
        if self.is_taken {
            return Owner::Unknown;
        }
        let serves = |node: &NodeId| {
            let member = self.members.get(node);
            member.is_some_and(|it| it.state == NodeState::Serving)
                && !(self.is_leaving && *node == self.me)
        };
        let pinned = self.pins.get(&shard).copied().filter(serves);
        let by_rule =
            || rendezvous::winner(shard, self.members.keys().copied().filter(|node| serves(node)));
        match pinned.or_else(by_rule) {
            Some(node) if node == self.me => Owner::Here,
            Some(node) => Owner::Elsewhere(node),
            None => Owner::Unknown,
        }
    }

    /// Who had the shard that comes here: by the view until now, or for who just joined, whoever of
    /// the others would have it.
    fn predecessor(&self, shard: u32) -> Option<NodeId> {
        match self.ownership.owner(shard) {
            Owner::Elsewhere(node) => Some(node),
            Owner::Here | Owner::Unknown => {
                let others = self.members.keys().copied().filter(|node| *node != self.me);
                rendezvous::winner(shard, others)
            }
        }
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
