//! Who is to own which shard, and what each node believes of it.

use schema::NodeId;

use super::actor::Child;
use super::event::Event;
use super::message::{Message, ToInbox, ToKeeper};
use super::node::NodeState;
use super::world::World;
use crate::ports::Owner;

/// A node that is silent for this long loses its shards.
const SILENT_MS: u64 = 3_000;
const COORDINATE_MS: u64 = 500;
/// An owner before that has not released by then will not.
const HAND_OVER_MS_MAX: u64 = 5_000;

impl World {
    /// Gives the shards of silent nodes to others and tells everyone, now and then.
    pub(super) fn coordinate(&mut self) {
        if self.schedule.is_embedded {
            return;
        }
        self.queue.push(COORDINATE_MS, Event::Coordinate);
        for shard in 0..self.schedule.shards {
            if !self.is_believed(self.assigned[shard as usize])
                && let Some(node) = self.any_believed()
            {
                self.assigned[shard as usize] = node;
            }
            self.spread_hint(shard);
        }
    }

    /// The others count on it.
    fn is_believed(&self, node: usize) -> bool {
        let now_ms = self.queue.now_ms();
        let since_ms = match self.nodes[node].state {
            NodeState::Up if self.is_cut_off(node) => self.bus.cuts[node].since_ms,
            NodeState::Up => return true,
            NodeState::Down { since_ms } | NodeState::Paused { since_ms } => since_ms,
        };
        now_ms - since_ms <= SILENT_MS
    }

    fn any_believed(&mut self) -> Option<usize> {
        let believed: Vec<usize> = (0..self.nodes.len())
            .filter(|node| self.nodes[*node].is_up() && !self.is_cut_off(*node))
            .collect();
        (!believed.is_empty()).then(|| *self.random.pick(&believed))
    }

    /// It neither tells of itself nor hears of the others. One whose frames get lost without a
    /// trace still does.
    fn is_cut_off(&self, node: usize) -> bool {
        !self.bus.is_connected(node, self.queue.now_ms())
    }

    fn spread_hint(&mut self, shard: u32) {
        let owner = self.nodes[self.assigned[shard as usize]].shared.id;
        let now_ms = self.queue.now_ms();
        for node in 0..self.nodes.len() {
            let it = &self.nodes[node];
            let is_deaf = matches!(it.state, NodeState::Down { .. }) || self.is_cut_off(node);
            let knows = it.shared.view.owner(shard) == as_seen_by(it.shared.id, owner);
            if is_deaf || knows || now_ms < it.misled_until_ms {
                continue;
            }
            let life = it.life;
            let delay_ms = self.random.between(1, 300);
            self.queue.push(delay_ms, Event::Hint { node, life, shard, owner });
        }
    }

    /// The node learns who is to own a shard.
    pub(super) fn on_hint(&mut self, node: usize, shard: u32, owner: NodeId) {
        if self.is_cut_off(node) {
            return;
        }
        let now_ms = self.queue.now_ms();
        let me = self.nodes[node].shared.id;
        let owner = as_seen_by(me, owner);
        let before = match self.nodes[node].shared.view.owner(shard) {
            before if before == owner => return,
            Owner::Elsewhere(before) => Some(before),
            Owner::Here | Owner::Unknown => self.has_shard[shard as usize],
        };
        let lives = |id: &NodeId| self.place_of(*id).is_some_and(|it| self.is_believed(it));
        let mut until_ms = 0;
        if owner == Owner::Here {
            if before.filter(|before| *before != me).is_some_and(|it| lives(&it)) {
                until_ms = now_ms + HAND_OVER_MS_MAX;
            }
            self.has_shard[shard as usize] = Some(me);
        }
        self.nodes[node].shared.view.set(shard, owner, until_ms);
        self.trace.line(now_ms, || {
            let expects = if until_ms > 0 { ", to be released by who has it" } else { "" };
            format!("node {node} believes that shard {shard} is {owner:?}{expects}")
        });
        self.tell_child(node, Child::Keeper, Message::Keeper(ToKeeper::Settle));
    }

    /// Cuts nodes off from the bridge for a while.
    pub(super) fn cut_off(&mut self, nodes: &[usize], for_ms: u64, is_noticed: bool) {
        let now_ms = self.queue.now_ms();
        for &node in nodes {
            self.bus.cut(node, now_ms, for_ms, is_noticed);
            if self.is_cut_off(node) {
                self.nodes[node].shared.is_connected = false;
                self.await_bridge(node);
            }
        }
    }

    /// A node that knows that it is cut off hears when it is not any more.
    pub(super) fn await_bridge(&mut self, node: usize) {
        let left_ms = self.bus.cuts[node].until_ms.saturating_sub(self.queue.now_ms());
        let life = self.nodes[node].life;
        self.queue.push(left_ms, Event::BridgeBack { node, life });
    }

    /// The bridge has a new connection: what came meanwhile is lost.
    pub(super) fn on_bridge_back(&mut self, node: usize) {
        if self.is_cut_off(node) {
            self.await_bridge(node);
        } else if !std::mem::replace(&mut self.nodes[node].shared.is_connected, true) {
            self.tell_child(node, Child::Inbox, Message::Inbox(ToInbox::Unsure));
        }
    }

    /// Nobody is cut off any more, but for those who do not notice it.
    pub(super) fn mend_bridge(&mut self) {
        for node in 0..self.nodes.len() {
            if self.is_cut_off(node) {
                self.bus.cuts[node].until_ms = self.queue.now_ms();
                self.await_bridge(node);
            }
        }
    }
}

fn as_seen_by(me: NodeId, owner: NodeId) -> Owner {
    if owner == me { Owner::Here } else { Owner::Elsewhere(owner) }
}
